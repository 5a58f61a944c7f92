//! `GET /api/tags`.

use miniclaw_plugin_api::Model;
use serde_json::Value;

/// The models that were pulled; `size_bytes` in `meta` is what each takes on disk. `None` where it is no such list.
pub(crate) fn read(tags: &Value) -> Option<Vec<Model>> {
    // Older servers write an empty list so.
    if tags.get("models")?.is_null() {
        return Some(Vec::new());
    }
    let models = tags["models"].as_array()?.iter().filter_map(|tag| {
        let mut model = Model::new(tag["name"].as_str()?);
        if let Some(size) = tag["size"].as_u64() {
            model.meta.insert("size_bytes".into(), size.into());
        }
        Some(model)
    });
    Some(models.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_odd_entry_hides_no_other() {
        let names = |tags| {
            let models = read(&tags)?;
            Some(models.into_iter().map(|model| model.id).collect::<Vec<_>>())
        };
        let odd = json!({ "models": [{ "size": 7 }, { "name": "a", "size": 1.5 }, 3, { "name": "b" }] });
        assert_eq!(names(odd), Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(names(json!({ "models": null })), Some(Vec::new()));
        assert_eq!(names(json!({ "detail": "no" })), None);
    }
}
