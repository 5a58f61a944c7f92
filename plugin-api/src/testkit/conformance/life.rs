//! Stages 5 and 9: starting, and stopping in time.

use std::future::Future;

use super::report::Finding;
use super::subject::{STOP, Step, Subject, no_panic};
use crate::manifest::Kind;
use crate::testkit::{ChannelKit, Receiving};

pub(super) async fn three_times(subject: &Subject) -> Step<String> {
    if subject.facts.kind == Kind::Provider {
        for _ in 0..3 {
            let kit = subject.provider().await?;
            subject.shut_down(&kit.instance).await?;
        }
        return Ok(String::new());
    }
    let mut first: Option<String> = None;
    for _ in 0..3 {
        let (kit, account) = subject.channel().await?;
        let first = first.get_or_insert_with(|| account.id.clone());
        if account.id.is_empty() || *first != account.id {
            return Err(Finding::failed(
                format!("start named the account `{}`, and before `{first}`", account.id),
                "name the account by an id of the platform that stays: de-duplication begins anew with another one",
            ));
        }
        let receiving = kit.receive(None);
        stop(subject, &kit, receiving).await?;
        subject.shut_down(&kit.instance).await?;
    }
    Ok(format!("account `{}`", first.unwrap_or_default()))
}

pub(super) async fn stops_in_time(subject: &Subject) -> Step<String> {
    let (kit, _) = subject.channel().await.map_err(Finding::skip)?;
    // At once, and when it has settled.
    let receiving = kit.receive(None);
    stop(subject, &kit, receiving).await?;
    let mut receiving = kit.receive(None);
    let settling = tokio::time::sleep(std::time::Duration::from_millis(300));
    tokio::select! {
        () = accepting(&kit, settling) => {}
        ended = &mut receiving.0 => drop(ended_by_itself(ended)?),
    }
    stop(subject, &kit, receiving).await?;
    subject.shut_down(&kit.instance).await?;
    Ok(String::new())
}

/// Requests the stop of `receive` and waits for its end.
pub(super) async fn stop(subject: &Subject, kit: &ChannelKit, receiving: Receiving) -> Step<()> {
    let end = async {
        kit.stop_receiving().await?;
        receiving.ended().await
    };
    let end = subject.within(STOP, "receive, once the stop was requested,", accepting(kit, end));
    match no_panic("receive", end.await?)? {
        Ok(()) => Ok(()),
        Err(error) => Err(Finding::failed(
            format!("receive ended with an error when it was stopped: {error}"),
            "return `Ok(())` from receive once `stop.requested()` is ready",
        )),
    }
}

/// Accepts whatever the channel hands over meanwhile.
pub(super) async fn accepting<T>(kit: &ChannelKit, future: impl Future<Output = T>) -> T {
    tokio::pin!(future);
    loop {
        tokio::select! {
            result = &mut future => return result,
            emitted = kit.emitted() => emitted.accept(),
        }
    }
}

/// `receive` that ends although nobody asked it to.
pub(super) fn ended_by_itself<T>(
    reply: Result<crate::abi::Reply, tokio::sync::oneshot::error::RecvError>,
) -> Step<T> {
    let why = match no_panic("receive", crate::testkit::instance::result(reply))? {
        Ok(_) => "without an error".to_owned(),
        Err(error) => format!("with the error: {error}"),
    };
    Err(Finding::failed(
        format!("receive ended by itself, {why}"),
        "wait inside receive for what passes, and return when the stop is requested",
    ))
}
