//! Stage 10: when an instance is gone, so are its threads.

use std::collections::BTreeMap;
use std::time::Duration;

use super::life;
use super::report::Finding;
use super::subject::{Step, Subject};
use crate::manifest::Kind;

/// How long threads may take to end.
const GRACE: Duration = Duration::from_secs(2);

pub(super) async fn check(subject: &Subject) -> Step<String> {
    let before = threads(subject);
    if subject.facts.kind == Kind::Provider {
        let kit = subject.provider().await.map_err(Finding::skip)?;
        subject.shut_down(&kit.instance).await.map_err(Finding::skip)?;
    } else {
        let (kit, _) = subject.channel().await.map_err(Finding::skip)?;
        let receiving = kit.receive(None);
        let stopped = life::stop(subject, &kit, receiving).await;
        stopped.map_err(Finding::skip)?;
        subject.shut_down(&kit.instance).await.map_err(Finding::skip)?;
    }
    let left = || -> Vec<String> {
        let after = threads(subject).into_iter();
        after
            .filter(|(id, _)| !before.contains_key(id))
            .map(|(_, name)| name)
            .collect()
    };
    let gone = async {
        while !left().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    match tokio::time::timeout(GRACE, gone).await {
        Ok(()) if subject.alone => Ok(String::new()),
        Ok(()) => {
            Ok("looked at threads with the instance's name; `miniclaw plugin check` looks at all".into())
        }
        Err(_) => Err(Finding::failed(
            format!(
                "threads still run after the instance is gone: {}",
                left().join(", ")
            ),
            "end every thread in `shutdown` or when the channel is dropped, and join it",
        )),
    }
}

/// Ids and names of this process's threads; where others work in it too, those named as the instance's.
fn threads(subject: &Subject) -> BTreeMap<String, String> {
    let own = format!("mc-{}", subject.name);
    let tasks = std::fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten();
    let named = tasks.filter_map(|task| {
        let name = std::fs::read_to_string(task.path().join("comm")).ok()?;
        Some((
            task.file_name().to_string_lossy().into_owned(),
            name.trim_end().to_owned(),
        ))
    });
    named.filter(|(_, name)| subject.alone || *name == own).collect()
}
