//! What the pages link to.

use actix_web::{HttpResponse, web};

use crate::http::pages::renderer::File;
use crate::http::{Web, error};

/// `GET /assets/style.css`
pub(crate) async fn style(web: web::Data<Web>) -> HttpResponse {
    web.pages.style.answer()
}

/// `GET /assets/console.css`
pub(crate) async fn console_style(web: web::Data<Web>) -> HttpResponse {
    web.pages.console_style.answer()
}

/// `GET /assets/icon.svg`, and `GET /favicon.ico` for who looks at what is no page.
pub(crate) async fn icon(web: web::Data<Web>) -> HttpResponse {
    web.pages.icon.answer()
}

/// `GET /assets/page.js`
pub(crate) async fn page(web: web::Data<Web>) -> HttpResponse {
    web.pages.page.answer()
}

/// `GET /assets/submit.js`
pub(crate) async fn submit(web: web::Data<Web>) -> HttpResponse {
    web.pages.submit.answer()
}

/// `GET /assets/passkey.js`
pub(crate) async fn passkey(web: web::Data<Web>) -> HttpResponse {
    web.pages.passkey.answer()
}

/// `GET /assets/onward.js`
pub(crate) async fn onward(web: web::Data<Web>) -> HttpResponse {
    web.pages.onward.answer()
}

/// `GET /assets/logo`
pub(crate) async fn logo(web: web::Data<Web>) -> HttpResponse {
    web.pages.logo.as_ref().map_or_else(error::not_found, File::answer)
}
