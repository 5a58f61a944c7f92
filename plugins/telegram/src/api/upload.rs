//! Calls that bring a file.

use std::time::Duration;

use reqwest::multipart::Form;
use serde::de::DeserializeOwned;

use super::{ANSWER_CAP, Api, Failure, answer};

impl Api {
    /// Calls `method` with a form and reads its result.
    pub(crate) async fn upload<T: DeserializeOwned>(
        &self,
        method: &str,
        form: Form,
        deadline: Duration,
    ) -> Result<T, Failure> {
        let url = format!("{}/bot{}/{method}", self.api_url, self.token);
        let request = self.client().post(url).multipart(form);
        let (status, body) = self.fetch(request, deadline, ANSWER_CAP).await?;
        answer::read(status, &body).map_err(|failure| answer::too_large(failure).without(&self.token))
    }
}
