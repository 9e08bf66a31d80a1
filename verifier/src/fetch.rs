//! Asking for what changes now and then: with the tag of what is known, and no more than fits.

use reqwest::header::{CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH};
use reqwest::{RequestBuilder, Response, StatusCode};

pub(crate) enum Answer {
    /// What is known is the newest still (RFC 9110 §15.4.5).
    Unchanged,
    Changed {
        body: Vec<u8>,
        etag: Option<HeaderValue>,
        content_type: Option<HeaderValue>,
    },
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("the answer's status is {0}")]
    Status(StatusCode),
    #[error("the answer is too long")]
    TooLong,
    #[error(transparent)]
    Http(#[from] reqwest::Error),
}

/// Sends the request; `known` is the tag of the answer that is there already.
pub(crate) async fn get(
    mut request: RequestBuilder,
    known: Option<&HeaderValue>,
    longest: usize,
) -> Result<Answer, FetchError> {
    if let Some(etag) = known {
        request = request.header(IF_NONE_MATCH, etag.clone());
    }
    let answer = request.send().await?;
    if answer.status() == StatusCode::NOT_MODIFIED && known.is_some() {
        return Ok(Answer::Unchanged);
    }
    if answer.status() != StatusCode::OK {
        return Err(FetchError::Status(answer.status()));
    }
    let header = |name| answer.headers().get(name).cloned();
    let (etag, content_type) = (header(ETAG), header(CONTENT_TYPE));
    Ok(Answer::Changed { body: read(answer, longest).await?, etag, content_type })
}

async fn read(mut answer: Response, longest: usize) -> Result<Vec<u8>, FetchError> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > longest {
            return Err(FetchError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
