//! What is left of a configuration that cannot be used.

use super::tree::{Node, Object};
use super::{ConfigErrors, Loaded, Location, Origin, Sources, check, file, json, locate, merge_with};

/// Keys of the file that hold without the rest of it.
const KEPT: [&str; 2] = [WORKSPACE, "sessions"];
const WORKSPACE: &str = "workspace_path";
/// The variable that names the workspace.
pub(crate) const WORKSPACE_VARIABLE: &str = "MINICLAW__WORKSPACE_PATH";

/// Home, defaults, flags, the workspace, and plugin folders of the environment.
///
/// # Errors
/// Where there is no home, or what is left is wrong too.
pub(crate) fn bare(sources: &Sources) -> Result<Loaded, ConfigErrors> {
    let location = locate::locate(sources.config.clone(), sources.home.clone(), &sources.env)?;
    let mut sources = sources.clone();
    sources
        .env
        .retain(|name, _| name == "MINICLAW_PLUGINS" || name == WORKSPACE_VARIABLE);
    let (root, told) = kept(&location);
    let told = told || locate::variable(&sources.env, WORKSPACE_VARIABLE).is_some();
    let mut loaded = merge_with(&sources, location, root, Vec::new(), None)?;
    loaded.whole = false;
    loaded.workspace_told = told;
    Ok(loaded)
}

/// What holds of the file, and whether it is certain where the workspace is.
fn kept(location: &Location) -> (Node, bool) {
    let mut root = Node::object_of(Origin::Default);
    let content = match file::read(location) {
        Ok(Some(content)) => content,
        Ok(None) => return (root, true),
        Err(_) => return (root, false),
    };
    let origin = |at| Origin::File {
        path: location.file.as_path().into(),
        at: Some(at),
    };
    let Ok(mut parsed) = json::parse(&content.text, &origin) else {
        // A file that does not even speak of it leaves it at its default.
        return (root, !content.text.contains(WORKSPACE));
    };
    let twice = parsed.duplicates.iter().any(|error| error.key == WORKSPACE);
    let Some(members) = parsed.root.object_mut() else {
        return (root, true);
    };
    let names = members.contains_key(WORKSPACE);
    if !twice {
        root.data = super::tree::Data::Object(sound(members));
    }
    let told = !names || root.get(WORKSPACE).is_some();
    (root, told)
}

/// The members that nothing is wrong with.
fn sound(members: &mut Object) -> Object {
    let mut sound = Object::new();
    for name in KEPT {
        let Some(member) = members.remove(name) else {
            continue;
        };
        let mut alone = Node::object_of(Origin::Default);
        if let Some(object) = alone.object_mut() {
            object.insert(name.to_owned(), member);
        }
        let mut errors = Vec::new();
        check::check(&mut alone, &mut errors);
        if errors.is_empty()
            && let Some(object) = alone.object_mut()
        {
            sound.append(object);
        }
    }
    sound
}
