use super::keys::{FILE, Kind};

/// Names of keys that the page does not have in backquotes, alone or behind a dot.
fn missing(kind: &Kind, page: &str, missing_keys: &mut Vec<&'static str>) {
    match kind {
        Kind::Section(keys) => {
            for key in *keys {
                let forms = [
                    format!("`{}`", key.name),
                    format!(".{}`", key.name),
                    format!("`{}.", key.name),
                ];
                if !forms.iter().any(|form| page.contains(form)) {
                    missing_keys.push(key.name);
                }
                missing(&key.kind, page, missing_keys);
            }
        }
        Kind::Instances(entry) | Kind::Models(entry) | Kind::List(entry) => {
            missing(entry, page, missing_keys)
        }
        _ => {}
    }
}

#[test]
fn the_page_names_every_key() {
    let page = include_str!("../../../../docs/configuration.md");
    let mut gaps = Vec::new();
    missing(FILE, page, &mut gaps);
    assert_eq!(gaps, Vec::<&str>::new());
    missing(FILE, &page.replace("max_pictures", ""), &mut gaps);
    assert_eq!(gaps, ["max_pictures"]);
}
