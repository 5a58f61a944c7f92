//! The gateway's own folders: for its user alone.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::config::Config;

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    #[error("cannot create {}: {source}; make its parent writable for this user, or choose another with --home", path.display())]
    Create { path: PathBuf, source: io::Error },
    #[error("others can write to {}: run `chmod go-w {}`", path.display(), path.display())]
    Writable { path: PathBuf },
    #[error("{} belongs to user {owner}, and this process runs as user {own}: run it as that user, or choose another folder", path.display())]
    Foreign { path: PathBuf, owner: u32, own: u32 },
    #[error("{} is not a folder", path.display())]
    NotAFolder { path: PathBuf },
}

/// Makes or checks every folder that the gateway writes to.
pub(super) fn prepare(config: &Config) -> Result<(), FolderError> {
    for folder in [
        config.home.clone(),
        config.state_dir(),
        config.workspace.clone(),
        config.sessions_dir(),
    ] {
        private_folder(&folder)?;
    }
    Ok(())
}

/// Makes a folder for this user alone, or checks that nobody else can write to the one there is.
///
/// # Errors
/// Where it cannot be made, or where somebody else could put files into it.
pub(crate) fn private_folder(path: &Path) -> Result<(), FolderError> {
    let create = |source| FolderError::Create {
        path: path.to_owned(),
        source,
    };
    match DirBuilder::new().recursive(true).mode(0o700).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(FolderError::NotAFolder {
                path: path.to_owned(),
            });
        }
        Err(error) => return Err(create(error)),
    }
    let metadata = fs::metadata(path).map_err(create)?;
    let own = rustix::process::geteuid().as_raw();
    if metadata.uid() != own && metadata.uid() != 0 {
        return Err(FolderError::Foreign {
            path: path.to_owned(),
            owner: metadata.uid(),
            own,
        });
    }
    if metadata.permissions().mode() & 0o022 != 0 {
        return Err(FolderError::Writable {
            path: path.to_owned(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_made_for_its_user_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        private_folder(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        private_folder(&path).unwrap();
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_refused_with_the_command_to_run() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o770)).unwrap();
        let error = private_folder(folder.path()).unwrap_err().to_string();
        assert!(error.contains("chmod go-w"), "{error}");
    }

    #[test]
    fn a_file_in_its_place_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("home");
        fs::write(&path, "").unwrap();
        assert!(matches!(
            private_folder(&path),
            Err(FolderError::NotAFolder { .. })
        ));
    }
}
