//! `GET /api/tags`.

use miniclaw_plugin_api::Model;
use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Tags {
    models: Vec<Tag>,
}

#[derive(Deserialize)]
struct Tag {
    name: String,
    size: Option<u64>,
}

/// The models that were pulled; `size_bytes` in `meta` is what each takes on disk.
pub(crate) fn read(tags: Tags) -> Vec<Model> {
    tags.models
        .into_iter()
        .map(|tag| {
            let mut model = Model::new(tag.name);
            if let Some(size) = tag.size {
                model.meta.insert("size_bytes".into(), size.into());
            }
            model
        })
        .collect()
}
