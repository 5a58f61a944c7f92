mod keys_of_files;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::keys::{NewKeys, SecretKeyFile};
use super::*;
use crate::config::KeySource;
use crate::plugins::fixture;
use crate::plugins::inspect;
use crate::plugins::load::{self, Loader};

const NAME: &str = "echo-channel";

/// A library in a folder of its own, and two pairs of keys.
struct World {
    folder: tempfile::TempDir,
    own: NewKeys,
    other: NewKeys,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::copy(fixture::library(), folder.path().join("lib.so")).unwrap();
        Self {
            folder,
            own: NewKeys::generate(None).unwrap(),
            other: NewKeys::generate(Some("pass word".into())).unwrap(),
        }
    }

    fn library(&self) -> PathBuf {
        self.folder.path().join("lib.so")
    }

    fn signature(&self) -> PathBuf {
        self.folder.path().join("lib.so.minisig")
    }

    fn put(&self, text: impl AsRef<[u8]>) {
        fs::write(self.signature(), text).unwrap();
        fs::set_permissions(self.signature(), Permissions::from_mode(0o644)).unwrap();
    }

    fn sign(&self, keys: &NewKeys, password: &str) -> String {
        let path = self.folder.path().join("secret.key");
        fs::write(&path, &keys.secret).unwrap();
        let key = SecretKeyFile::read(&path).unwrap();
        let key = key.open(&path, password.into()).unwrap();
        let library = fs::File::open(self.library()).unwrap();
        let (_, text) = keys::sign(&key, library, "timestamp:1\tfile:lib.so").unwrap();
        self.put(&text);
        text
    }

    fn policy(&self, mode: Signatures, pin: Option<&str>) -> TrustPolicy {
        let config = TrustConfig {
            signatures: mode,
            trusted_keys: vec![KeySource::Line(self.own.line.clone())],
            pins: pin
                .map(|pin| (NAME.to_owned(), pin.to_owned()))
                .into_iter()
                .collect(),
        };
        TrustPolicy::of(&config).unwrap()
    }

    /// What a gateway says that requires signatures.
    fn required(&self) -> Result<(), String> {
        self.load(self.policy(Signatures::Require, None))
    }

    fn load(&self, policy: TrustPolicy) -> Result<(), String> {
        let loader = Loader::new(self.folder.path().join("cache"), policy);
        let inspected = inspect::inspect(&self.library()).unwrap();
        loader
            .load(&inspected)
            .map(drop)
            .map_err(|refusal| refusal.to_string())
    }

    /// Changes one byte of the library that is neither code nor manifest.
    fn tamper(&self) {
        let mut bytes = fs::read(self.library()).unwrap();
        let at = bytes.len() - 1;
        bytes[at] ^= 1;
        fs::write(self.library(), bytes).unwrap();
    }
}

#[test]
fn a_good_signature_by_a_trusted_key_is_loaded() {
    let world = World::new();
    world.sign(&world.own, "");
    assert_eq!(world.required(), Ok(()));
    let standing = world
        .policy(Signatures::Off, None)
        .standing(NAME, &world.library(), &world.library(), "");
    assert_eq!(standing.signature.words(), format!("signed by {}", world.own.id));
    assert!(
        matches!(standing.signature, SignatureState::Signed { comment, .. } if comment == "timestamp:1 file:lib.so")
    );
}

#[test]
fn everything_else_is_refused_with_one_line_that_names_both_sides() {
    let world = World::new();
    let trusted = world.own.id.to_string();
    let other = world.other.id.to_string();
    let refused = |world: &World, words: &[&str]| {
        let line = world.required().unwrap_err();
        assert!(
            line.starts_with("cannot load plugin `echo-channel` from /"),
            "{line}"
        );
        for word in words {
            assert!(line.contains(word), "{word} in: {line}");
        }
        assert!(!line.contains('\n'), "{line}");
    };
    refused(
        &world,
        &["it is not signed", &trusted, "lib.so.minisig", "plugin sign"],
    );
    world.sign(&world.other, "pass word");
    refused(
        &world,
        &["signed by the key", &other, &trusted, "plugins.trusted_keys"],
    );

    let good = world.sign(&world.own, "");
    world.tamper();
    refused(&world, &["modified", &trusted, "copy both again"]);
    world.tamper();
    world.put(&good);
    assert_eq!(world.required(), Ok(()));

    world.put(good.replace("timestamp:1", "timestamp:2"));
    refused(&world, &["modified", &trusted]);
    fs::set_permissions(world.signature(), Permissions::from_mode(0o666)).unwrap();
    refused(&world, &["writable by others", "chmod go-w", &trusted]);
}

#[test]
fn a_file_that_is_no_signature_is_refused_and_never_panics() {
    let world = World::new();
    let good = world.sign(&world.own, "");
    let lines: Vec<&str> = good.lines().collect();
    let [first, second, third, fourth] = lines[..] else {
        panic!("{good}")
    };
    let legacy = format!("RW{}", &second[2..]);
    let texts: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"\n\n\n\n".to_vec(),
        b"hello".to_vec(),
        vec![0xff; 300],
        vec![b'A'; 9_000],
        vec![b'\n'; 1 << 20],
        format!("{first}\n{second}\n{third}\n").into_bytes(),
        // A short second signature.
        format!("{first}\n{second}\n{third}\nAAAA\n").into_bytes(),
        format!("{first}\n{second}\n{third}\n{}\n", &fourth[..84]).into_bytes(),
        format!("{first}\n{}\n{third}\n{fourth}\n", &second[..96]).into_bytes(),
        format!("{first}\n{}\n{third}\n{fourth}\n", "!".repeat(100)).into_bytes(),
        format!("{first}\n{second}\n{third}\n{}\n", "!".repeat(88)).into_bytes(),
        format!("{first}\n{legacy}\n{third}\n{fourth}\n").into_bytes(),
        format!("x\n{second}\n{third}\n{fourth}\n").into_bytes(),
        format!("{first}\n{second}\nx\n{fourth}\n").into_bytes(),
    ];
    for text in texts {
        world.put(&text);
        let line = world.required().unwrap_err();
        assert!(line.contains("is of no use"), "{line}");
    }
    fs::remove_file(world.signature()).unwrap();
    fs::create_dir(world.signature()).unwrap();
    let line = world.required().unwrap_err();
    assert!(line.contains("it is a directory"), "{line}");
}

#[test]
fn every_changed_byte_of_a_signature_is_found() {
    let world = World::new();
    let good = world.sign(&world.own, "").into_bytes();
    let policy = world.policy(Signatures::Require, None);
    let start = good.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let signed = |bytes: &[u8]| {
        world.put(bytes);
        let standing = policy.standing(NAME, &world.library(), &world.library(), "");
        matches!(standing.signature, SignatureState::Signed { .. })
    };
    assert!(signed(&good));
    // The first line is a comment that nothing vouches for; line ends are no part of what is signed.
    for at in (start..good.len()).step_by(3) {
        let mut changed = good.clone();
        if changed[at] == b'\n' || changed[at] == b'=' {
            continue;
        }
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        assert!(!signed(&changed), "byte {at}");
    }
}

#[test]
fn warn_loads_what_require_refuses_and_off_does_not_look() {
    let world = World::new();
    let copy = world.library();
    let sha256 = load::sha256(&copy).unwrap();
    let check = |mode| world.policy(mode, None).check(NAME, &copy, &copy, &sha256);
    assert!(matches!(
        check(Signatures::Warn),
        Ok(Some(Reason::Unsigned { .. }))
    ));
    assert!(matches!(check(Signatures::Require), Err(Reason::Unsigned { .. })));
    world.put("garbage");
    assert!(matches!(
        check(Signatures::Warn),
        Ok(Some(Reason::UselessSignature { .. }))
    ));
    assert!(matches!(check(Signatures::Off), Ok(None)));
    assert_eq!(world.load(world.policy(Signatures::Warn, None)), Ok(()));
    world.sign(&world.own, "");
    assert!(matches!(check(Signatures::Warn), Ok(None)));
}

#[test]
fn a_pin_counts_without_signatures_and_for_copies_that_were_loaded_before() {
    let world = World::new();
    let sha256 = load::sha256(&world.library()).unwrap();
    let pinned = |pin: &str| world.load(world.policy(Signatures::Off, Some(pin)));
    assert_eq!(pinned(&sha256), Ok(()));
    // The copy is in the cache from here on.
    let other = "0".repeat(64);
    let line = pinned(&other).unwrap_err();
    assert!(
        line.contains(&sha256) && line.contains(&other) && line.contains("plugins.pins"),
        "{line}"
    );
    assert_eq!(pinned(&sha256), Ok(()));
    world.tamper();
    let line = pinned(&sha256).unwrap_err();
    assert!(line.contains(&sha256), "{line}");
}

#[test]
fn the_copy_is_what_counts_and_not_what_lies_at_the_path() {
    let world = World::new();
    world.sign(&world.own, "");
    let policy = world.policy(Signatures::Require, None);
    let copy = world.folder.path().join("copy");
    fs::write(&copy, "other bytes").unwrap();
    let verdict = policy.check(NAME, &world.library(), &copy, "");
    assert!(matches!(verdict, Err(Reason::Modified { .. })));
}
