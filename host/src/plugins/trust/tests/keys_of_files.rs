use super::*;

#[test]
fn a_key_is_a_line_or_a_file_and_anything_else_is_named() {
    let world = World::new();
    let file = world.folder.path().join("own.pub");
    let read = |text: &str| {
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        TrustedKey::read(&KeySource::File(file.clone()))
    };
    for text in [
        world.own.public.clone(),
        world.own.line.clone(),
        format!("{}\n\n", world.own.line),
    ] {
        assert_eq!(read(&text).unwrap().id(), world.own.id);
    }
    for text in [
        "",
        "untrusted comment: x\n",
        &world.own.secret,
        &"A".repeat(56),
        &world.own.line[..55],
    ] {
        let line = read(text).unwrap_err().to_string();
        assert!(line.ends_with("own.pub is no public key of minisign"), "{line}");
    }
    read(&world.own.line).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
    let line = TrustedKey::read(&KeySource::File(file.clone()))
        .unwrap_err()
        .to_string();
    assert!(
        line.contains("is not safe") && line.contains("chmod go-w"),
        "{line}"
    );
    let missing = TrustedKey::read(&KeySource::File("/nowhere.pub".into())).unwrap_err();
    assert!(missing.to_string().contains("/nowhere.pub"), "{missing}");
    assert!(KeySource::is_line(&world.own.line) && !KeySource::is_line("/etc/miniclaw/own.pub"));
}

#[test]
fn two_keys_of_one_number_are_both_tried() {
    let world = World::new();
    world.sign(&world.own, "");
    // The other key under the number of the own one, as its maker may choose.
    let own = minisign::PublicKey::from_base64(&world.own.line)
        .unwrap()
        .to_bytes();
    let other = minisign::PublicKey::from_base64(&world.other.line)
        .unwrap()
        .to_bytes();
    let twin = minisign::PublicKey::from_bytes(&[&own[..10], &other[10..]].concat()).unwrap();
    let trusting = |lines: &[String]| {
        let config = TrustConfig {
            signatures: Signatures::Require,
            trusted_keys: lines.iter().cloned().map(KeySource::Line).collect(),
            pins: BTreeMap::new(),
        };
        world.load(TrustPolicy::of(&config).unwrap())
    };
    assert!(trusting(&[twin.to_base64()]).unwrap_err().contains("modified"));
    assert_eq!(trusting(&[twin.to_base64(), world.own.line.clone()]), Ok(()));
}

#[test]
fn a_secret_key_opens_with_its_password_alone() {
    let world = World::new();
    let path = world.folder.path().join("other.key");
    fs::write(&path, &world.other.secret).unwrap();
    let key = SecretKeyFile::read(&path).unwrap();
    assert!(key.is_encrypted);
    let line = key.open(&path, "wrong".into()).map(drop).unwrap_err().to_string();
    assert!(line.contains("wrong password"), "{line}");
    // Made by `minisign -G -W`, which leaves the checksum out.
    let made = "untrusted comment: minisign secret key\nRWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAd3CiTDFWBXUrAfRptx9b7467aQsVxo1jWJVMpHO1lwablnkY6PE+TeMBmgXUAE9C/Q4IRmsB/X3qu7wnOzfWNVuUIYBO3INZAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
    fs::write(&path, made).unwrap();
    let key = SecretKeyFile::read(&path).unwrap();
    assert!(!key.is_encrypted);
    let key = key.open(&path, String::new()).unwrap();
    assert!(keys::sign(&key, fs::File::open(world.library()).unwrap(), "x").is_ok());
    fs::write(&path, made.replace("wnOzfWNV", "AnOzfWNV")).unwrap();
    let key = SecretKeyFile::read(&path)
        .unwrap()
        .open(&path, String::new())
        .unwrap();
    assert!(keys::sign(&key, fs::File::open(world.library()).unwrap(), "x").is_err());
    fs::write(&path, &world.other.public).unwrap();
    let line = SecretKeyFile::read(&path).map(drop).unwrap_err().to_string();
    assert!(line.ends_with("other.key is no secret key of minisign"), "{line}");
}
