//! Takes up libraries that change while the gateway runs.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, info, warn};

use super::roster::{Roster, Which};

/// Between two looks. Looking works where notices of the kernel do not come: network file systems, mounts of containers.
const LOOK: Duration = Duration::from_millis(500);

/// What tells a file from another, or from itself before it was written to.
type Prints = BTreeMap<PathBuf, (u64, u64, i64, i64)>;

/// Looks until the runtime ends.
pub(super) async fn libraries(roster: Arc<Roster>) {
    info!(folders = ?roster.folders(), "Plugin directories are watched");
    let mut taken = look(roster.folders()).await;
    let mut last = taken.clone();
    loop {
        tokio::time::sleep(LOOK).await;
        let seen = look(roster.folders()).await;
        // A file that is being written is taken when it is whole: when two looks are alike.
        let steady = seen == last;
        last = seen;
        if !steady || last == taken {
            continue;
        }
        taken.clone_from(&last);
        match roster.reload(Which::Changed).await {
            Ok(changed) if changed.is_empty() => debug!("No plugin in use changed"),
            Ok(changed) => {
                let failed = changed.iter().filter(|change| !change.ok);
                failed.for_each(|change| {
                    warn!(
                        plugin = change.instance,
                        "Plugin not reloaded: {}", change.outcome
                    )
                });
            }
            Err(error) => warn!("Plugins not reloaded: {error}"),
        }
    }
}

async fn look(folders: Vec<PathBuf>) -> Prints {
    let prints = tokio::task::spawn_blocking(move || {
        let mut prints = Prints::new();
        for folder in folders {
            for file in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = file.path();
                if path
                    .extension()
                    .is_some_and(|extension| extension == "so" || extension == "minisig")
                    && let Ok(metadata) = std::fs::metadata(&path)
                {
                    let print = (
                        metadata.ino(),
                        metadata.len(),
                        metadata.mtime(),
                        metadata.mtime_nsec(),
                    );
                    prints.insert(path, print);
                }
            }
        }
        prints
    });
    prints.await.unwrap_or_default()
}
