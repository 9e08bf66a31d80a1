//! What monitoring reads, in the text format of Prometheus.

pub(crate) mod counted;
mod gauge;
mod process;
mod sampled;

use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpResponse, web};
use prometheus::{TEXT_FORMAT, TextEncoder};

use crate::http::{Web, error};

/// `GET /metrics`.
pub(super) async fn show(web: web::Data<Web>) -> HttpResponse {
    let Some(metrics) = &web.metrics else { return error::not_found() };
    let read = sampled::read(&web.core, &metrics.worlds(), web.clock.now()).await;
    let text = read.and_then(|sampled| {
        let families: Vec<_> = metrics.gather().into_iter().chain(sampled.gather()).collect();
        TextEncoder::new().encode_to_string(&families)
    });
    match text {
        Ok(text) => HttpResponse::Ok().insert_header((CONTENT_TYPE, TEXT_FORMAT)).body(text),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be written");
            HttpResponse::InternalServerError().finish()
        }
    }
}
