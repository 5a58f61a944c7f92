//! `GET /models` in the shapes of several servers.

use miniclaw_plugin_api::Model;
use serde::Deserialize;

/// A list as it stands, or inside `data`.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum List {
    Wrapped { data: Vec<Entry> },
    Bare(Vec<Entry>),
}

/// A model; beyond its id, what OpenRouter (`context_length`, …) and vLLM (`max_model_len`) tell.
#[derive(Deserialize)]
pub(crate) struct Entry {
    id: String,
    context_length: Option<u64>,
    max_model_len: Option<u64>,
    architecture: Option<Architecture>,
    supported_parameters: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Architecture {
    input_modalities: Option<Vec<String>>,
}

pub(crate) fn read(list: List) -> Vec<Model> {
    let (List::Wrapped { data } | List::Bare(data)) = list;
    data.into_iter().map(Entry::into_model).collect()
}

impl Entry {
    fn into_model(self) -> Model {
        let has = |list: Option<Vec<String>>, name: &str| list.into_iter().flatten().any(|item| item == name);
        let modalities = self
            .architecture
            .and_then(|architecture| architecture.input_modalities);
        let mut model = Model::new(self.id);
        model.context_tokens = self.context_length.or(self.max_model_len);
        model.vision = has(modalities, "image");
        model.tools = has(self.supported_parameters, "tools");
        model
    }
}
