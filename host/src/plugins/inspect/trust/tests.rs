use std::fs::{Permissions, create_dir, create_dir_all, set_permissions, write};
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};

use super::*;

const SOMEBODY: u32 = 54_321;

/// `top/way/plugins/lib.so`, and `top/elsewhere/lib.so`.
struct Layout {
    top: tempfile::TempDir,
}

impl Layout {
    fn new() -> Self {
        let layout = Self {
            top: tempfile::tempdir().unwrap(),
        };
        for folder in ["way/plugins", "elsewhere"] {
            create_dir_all(layout.at(folder)).unwrap();
            write(layout.at(folder).join("lib.so"), "").unwrap();
            layout.mode(&format!("{folder}/lib.so"), 0o644);
        }
        for folder in ["way", "way/plugins", "elsewhere"] {
            layout.mode(folder, 0o755);
        }
        layout
    }

    fn at(&self, place: &str) -> PathBuf {
        self.top.path().join(place)
    }

    fn mode(&self, place: &str, mode: u32) -> &Self {
        set_permissions(self.at(place), Permissions::from_mode(mode)).unwrap();
        self
    }

    fn own(&self, place: &str, user: Option<u32>, group: Option<u32>) -> &Self {
        chown(self.at(place), user, group).unwrap();
        self
    }

    fn link(&self, target: &str, place: &str) -> &Self {
        drop(std::fs::remove_file(self.at(place)));
        symlink(self.at(target), self.at(place)).unwrap();
        self
    }

    /// Gives a user rights that the mode alone does not show.
    fn allow(&self, place: &str, user: u32) -> &Self {
        let entry = |tag: u16, rights: u16, id: u32| {
            [&tag.to_le_bytes()[..], &rights.to_le_bytes(), &id.to_le_bytes()].concat()
        };
        let list = [
            2_u32.to_le_bytes().to_vec(),
            entry(1, 7, u32::MAX),
            entry(2, 7, user),
            entry(4, 5, u32::MAX),
            entry(16, 7, u32::MAX),
            entry(32, 5, u32::MAX),
        ];
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(self.at(place), ACCESS_LIST, &list.concat(), flags).unwrap();
        self
    }

    /// What the catalog does for `way/plugins/lib.so`.
    fn verdict(&self) -> Result<(), Reason> {
        check_folder(&self.at("way/plugins"))?;
        check_file(&self.at("way/plugins/lib.so"))
    }
}

type Change = fn(&Layout);

/// Layouts in which somebody else could have put or changed the library.
const UNSAFE: &[(&str, Change)] = &[
    ("a file that all can write", |l| {
        l.mode("way/plugins/lib.so", 0o666);
    }),
    ("a file that all but the group can write", |l| {
        l.mode("way/plugins/lib.so", 0o602);
    }),
    ("a setuid file that all can write", |l| {
        l.mode("way/plugins/lib.so", 0o4757);
    }),
    ("a folder that all can write", |l| {
        l.mode("way/plugins", 0o777);
    }),
    ("a folder that all can write and none list", |l| {
        l.mode("way/plugins", 0o703);
    }),
    ("a sticky folder that all can write", |l| {
        l.mode("way/plugins", 0o1777);
    }),
    ("a folder above that all can write", |l| {
        l.mode("way", 0o777);
    }),
    ("a link to a file that all can write", |l| {
        l.mode("elsewhere/lib.so", 0o646)
            .link("elsewhere/lib.so", "way/plugins/lib.so");
    }),
    ("a link into a folder that all can write", |l| {
        l.mode("elsewhere", 0o757)
            .link("elsewhere/lib.so", "way/plugins/lib.so");
    }),
    ("a link over a link in a folder that all can write", |l| {
        create_dir(l.at("between")).unwrap();
        l.link("elsewhere/lib.so", "between/lib.so")
            .mode("between", 0o777);
        l.link("between/lib.so", "way/plugins/lib.so");
    }),
    ("a folder that is a link into one that all can write", |l| {
        std::fs::rename(l.at("way/plugins"), l.at("elsewhere/plugins")).unwrap();
        l.mode("elsewhere", 0o777)
            .link("elsewhere/plugins", "way/plugins");
    }),
    ("a folder that is a link from one that all can write", |l| {
        std::fs::rename(l.at("way/plugins"), l.at("elsewhere/plugins")).unwrap();
        l.link("elsewhere/plugins", "way/plugins").mode("way", 0o777);
    }),
    ("a link that goes back through a folder that all can write", |l| {
        l.mode("elsewhere", 0o777);
        l.link("elsewhere/../way/other.so", "way/plugins/lib.so");
        write(l.at("way/other.so"), "").unwrap();
    }),
    ("a link in a circle", |l| {
        l.link("way/plugins/lib.so", "elsewhere/lib.so");
        l.link("elsewhere/lib.so", "way/plugins/lib.so");
    }),
];

/// The same where it takes root to make them.
const UNSAFE_BY_ROOT: &[(&str, Change)] = &[
    ("a file that a foreign group can write", |l| {
        l.own("way/plugins/lib.so", None, Some(SOMEBODY))
            .mode("way/plugins/lib.so", 0o664);
    }),
    ("a folder that a foreign group can write", |l| {
        l.own("way/plugins", None, Some(SOMEBODY))
            .mode("way/plugins", 0o775);
    }),
    ("a setgid folder that a foreign group can write", |l| {
        l.own("way/plugins", None, Some(SOMEBODY))
            .mode("way/plugins", 0o2775);
    }),
    ("a folder above that a foreign group can write", |l| {
        l.own("way", None, Some(SOMEBODY)).mode("way", 0o770);
    }),
    ("a file of somebody", |l| {
        l.own("way/plugins/lib.so", Some(SOMEBODY), None);
    }),
    ("a file of somebody that only they can read", |l| {
        l.own("way/plugins/lib.so", Some(SOMEBODY), Some(SOMEBODY))
            .mode("way/plugins/lib.so", 0o400);
    }),
    ("a folder of somebody", |l| {
        l.own("way/plugins", Some(SOMEBODY), None);
    }),
    ("a folder above of somebody", |l| {
        l.own("way", Some(SOMEBODY), None);
    }),
    ("a link to a file of somebody", |l| {
        l.own("elsewhere/lib.so", Some(SOMEBODY), None)
            .link("elsewhere/lib.so", "way/plugins/lib.so");
    }),
    ("a link into a folder of somebody", |l| {
        l.own("elsewhere", Some(SOMEBODY), None)
            .link("elsewhere/lib.so", "way/plugins/lib.so");
    }),
    ("a link of somebody", |l| {
        l.link("elsewhere/lib.so", "way/plugins/lib.so");
        lchown(l.at("way/plugins/lib.so"), Some(SOMEBODY), None).unwrap();
    }),
    ("a sticky folder of somebody above", |l| {
        l.own("way", Some(SOMEBODY), None).mode("way", 0o1777);
    }),
    ("a file of somebody in a sticky folder above", |l| {
        l.mode("way", 0o1777).own("way/plugins", Some(SOMEBODY), None);
    }),
];

const SAFE: &[(&str, Change)] = &[
    ("all as it should be", |_| {}),
    ("a file of the owner alone", |l| {
        l.mode("way/plugins/lib.so", 0o600);
    }),
    ("a file that nobody can write", |l| {
        l.mode("way/plugins/lib.so", 0o444);
    }),
    ("a folder of the owner alone", |l| {
        l.mode("way/plugins", 0o700);
    }),
    ("a link to a safe place", |l| {
        l.link("elsewhere/lib.so", "way/plugins/lib.so");
    }),
    ("a folder that is a link to a safe place", |l| {
        std::fs::rename(l.at("way/plugins"), l.at("elsewhere/plugins")).unwrap();
        l.link("elsewhere/plugins", "way/plugins");
    }),
];

/// The same for groups, and for sticky folders above, which are root's.
const SAFE_FOR_ROOT: &[(&str, Change)] = &[
    ("a foreign group that only reads", |l| {
        l.own("way/plugins/lib.so", None, Some(SOMEBODY))
            .mode("way/plugins/lib.so", 0o640);
    }),
    ("a group with the owner's number", |l| {
        l.own("way/plugins/lib.so", Some(0), Some(0))
            .mode("way/plugins/lib.so", 0o664);
        l.own("way/plugins", Some(0), Some(0)).mode("way/plugins", 0o775);
    }),
    ("a sticky folder of root above", |l| {
        l.mode("way", 0o1777);
    }),
];

fn verdicts(table: &[(&str, Change)]) -> Vec<(String, Result<(), String>)> {
    let verdict = |(what, change): &(&str, Change)| {
        let layout = Layout::new();
        change(&layout);
        (
            (*what).to_owned(),
            layout.verdict().map_err(|reason| reason.to_string()),
        )
    };
    table.iter().map(verdict).collect()
}

fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("NOT CHECKED: layouts that take root to make");
    }
    root
}

#[test]
fn every_layout_in_which_others_could_have_put_a_library_is_refused() {
    let mut all = verdicts(UNSAFE);
    if is_root() {
        all.extend(verdicts(UNSAFE_BY_ROOT));
        assert!(all.len() >= 25, "{}", all.len());
    }
    for (what, verdict) in all {
        let line = verdict.err().unwrap_or_else(|| panic!("accepted: {what}"));
        assert!(!line.contains('\n'), "{what}: {line}");
        let says_what_to_do = line.contains("; run `ch") || line.contains("too many symbolic links");
        assert!(says_what_to_do, "{what}: {line}");
    }
}

#[test]
fn layouts_in_which_nobody_else_could_are_accepted() {
    let mut all = verdicts(SAFE);
    if is_root() {
        all.extend(verdicts(SAFE_FOR_ROOT));
    }
    for (what, verdict) in all {
        assert_eq!(verdict, Ok(()), "refused: {what}");
    }
}

#[test]
fn rights_of_a_single_user_that_the_mode_hides_are_refused() {
    if !is_root() {
        return;
    }
    for place in ["way/plugins/lib.so", "way/plugins", "way"] {
        let layout = Layout::new();
        layout.own(place, Some(0), Some(0)).mode(place, 0o775);
        layout.verdict().unwrap();
        layout.allow(place, SOMEBODY);
        assert!(
            matches!(layout.verdict(), Err(Reason::Writable { .. })),
            "{place}"
        );
    }
}
