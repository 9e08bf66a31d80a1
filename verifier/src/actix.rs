//! For actix-web: an extractor and a middleware.
//!
//! ```no_run
//! use actix_web::{App, HttpServer, web};
//! use heirloom_verifier::actix::Protect;
//! use heirloom_verifier::{AccessToken, Verifier};
//!
//! async fn profile(access: AccessToken) -> String {
//!     format!("hello {}", access.subject)
//! }
//!
//! # async fn example(verifier: Verifier) -> std::io::Result<()> {
//! HttpServer::new(move || {
//!     App::new()
//!         .app_data(web::Data::new(verifier.clone()))
//!         .route("/profile", web::get().to(profile)) // the extractor alone protects it
//!         .service(web::scope("/admin").wrap(Protect::new(&verifier).require_scope("admin")))
//! })
//! .bind("127.0.0.1:8081")?
//! .run()
//! .await
//! # }
//! ```

use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::{fmt, task};

use actix_web::body::EitherBody;
use actix_web::dev::{Payload, Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, AUTHORIZATION,
    CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use actix_web::http::{Method, StatusCode};
use actix_web::{
    Error, FromRequest, HttpMessage as _, HttpRequest, HttpResponse, HttpResponseBuilder, ResponseError, web,
};

use crate::incoming::{Incoming, Proven};
use crate::resource::WELL_KNOWN;
use crate::{AccessToken, ClientCertificate, StepUp, Verifier, VerifyError};

const DPOP: HeaderName = HeaderName::from_static("dpop");

/// A refusal as actix-web answers it: status, `WWW-Authenticate`, a JSON body.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use heirloom_verifier::actix::Refused;
///
/// async fn ship(verifier: actix_web::web::Data<Verifier>, access: AccessToken) -> Result<String, Refused> {
///     let allowed = access.require_scopes(&["orders:write"]);
///     allowed.map_err(|refusal| Refused::new(&verifier, refusal))?;
///     Ok(format!("shipped by {}", access.subject))
/// }
///
/// let verifier = actix_web::web::Data::new(sample().build().await?);
/// let refused = ship(verifier, sample_access().await).await.unwrap_err();
/// assert_eq!(actix_web::ResponseError::status_code(&refused), 403);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Refused {
    refusal: VerifyError,
    challenge: Option<String>,
}

impl Refused {
    /// A refusal with the verifier's challenge.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use heirloom_verifier::{VerifyError, actix::Refused};
    ///
    /// let refused = Refused::new(&sample().build().await?, VerifyError::Expired);
    /// assert_eq!(refused.to_string(), "The access token expired.");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn new(verifier: &Verifier, refusal: VerifyError) -> Self {
        let challenge = verifier.challenge(&refusal);
        Self { refusal, challenge }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.refusal.fmt(f)
    }
}

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.refusal.status()).unwrap_or(StatusCode::UNAUTHORIZED)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        match self.challenge.as_deref() {
            Some(challenge) => response.insert_header((WWW_AUTHENTICATE, challenge)),
            None => response.insert_header((RETRY_AFTER, "5")),
        };
        if let Some(nonce) = self.refusal.nonce() {
            response.insert_header(("dpop-nonce", nonce));
        }
        response.insert_header((CONTENT_TYPE, "application/json")).body(self.refusal.body())
    }
}

/// Serves what clients are told of the service ([`Builder::resource`](crate::Builder::resource)), at the place that
/// challenges name and at the host's own (RFC 9728 §3.1). Every site's scripts may read it. Without a resource there is
/// nothing to serve.
///
/// An MCP server:
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # async fn tools(access: AccessToken) -> String { access.subject.clone() }
/// use actix_web::{App, test, web};
/// use heirloom_verifier::actix::{Protect, metadata};
///
/// let verifier = sample().resource("https://mcp.example.com/mcp").build().await?;
/// let app = App::new()
///     .configure(metadata(&verifier))
///     .service(web::resource("/mcp").wrap(Protect::new(&verifier).require_scope("orders:read")).to(tools));
///
/// let app = test::init_service(app).await;
/// let request = test::TestRequest::with_uri("/.well-known/oauth-protected-resource/mcp").to_request();
/// let told: serde_json::Value = test::call_and_read_body_json(&app, request).await;
/// assert_eq!(told["authorization_servers"][0], "https://login.example.com");
/// # Ok(())
/// # }
/// ```
pub fn metadata(verifier: &Verifier) -> impl FnOnce(&mut web::ServiceConfig) + use<> {
    let verifier = verifier.clone();
    move |config| {
        let Some(metadata) = verifier.resource_metadata() else { return };
        let mut places = vec![metadata.path(), WELL_KNOWN];
        places.dedup();
        for place in places {
            let json = metadata.json().to_owned();
            let told = move || {
                let json = json.clone();
                async move { telling(HttpResponse::Ok()).content_type("application/json").body(json) }
            };
            let place = web::resource(place)
                .route(web::get().to(told.clone()))
                .route(web::head().to(told))
                // A header of the client's own (`MCP-Protocol-Version`) makes a browser ask first.
                .route(web::method(Method::OPTIONS).to(async || telling(HttpResponse::NoContent()).finish()));
            config.service(place);
        }
    }
}

fn telling(mut response: HttpResponseBuilder) -> HttpResponseBuilder {
    response
        .insert_header((ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .insert_header((ACCESS_CONTROL_ALLOW_METHODS, "GET"))
        .insert_header((ACCESS_CONTROL_ALLOW_HEADERS, "*"));
    response
}

type Pending<T> = Pin<Box<dyn Future<Output = Result<T, Error>>>>;

/// Verifies the request's token with the [`Verifier`] in the application's data, unless a [`Protect`] did before.
impl FromRequest for AccessToken {
    type Error = Error;
    type Future = Pending<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        if let Some(access) = request.extensions().get::<Self>() {
            return Box::pin(ready(Ok(access.clone())));
        }
        let request = request.clone();
        Box::pin(async move {
            let verifier =
                request.app_data::<web::Data<Verifier>>().map(|verifier| verifier.get_ref().clone());
            let verifier = verifier.ok_or_else(|| {
                actix_web::error::ErrorInternalServerError(
                    "put web::Data<Verifier> into the application's data",
                )
            })?;
            verify(&verifier, &request, (&[], None))
                .await
                .map_err(|refusal| Refused::new(&verifier, refusal).into())
        })
    }
}

async fn verify(
    verifier: &Verifier,
    request: &HttpRequest,
    (scopes, step_up): (&[String], Option<&StepUp>),
) -> Result<AccessToken, VerifyError> {
    let known = request.extensions().get::<Proven>().and_then(|proven| proven.access(verifier));
    let access = match known {
        Some(access) => access,
        None => verify_anew(verifier, request).await?,
    };
    access.require_scopes(scopes)?;
    if let Some(step_up) = step_up {
        verifier.require_step_up(&access, step_up)?;
    }
    Ok(access)
}

async fn verify_anew(verifier: &Verifier, request: &HttpRequest) -> Result<AccessToken, VerifyError> {
    let certificate = request.extensions().get::<ClientCertificate>().cloned();
    let incoming = Incoming {
        method: request.method().as_str(),
        path: request.uri().path(),
        query: request.query_string(),
        certificate: certificate.as_ref(),
    };
    let headers = |name: &HeaderName| request.headers().get_all(name).map(HeaderValue::as_bytes);
    let (access, proven) = incoming.verify(verifier, headers(&AUTHORIZATION), headers(&DPOP)).await?;
    if let Some(proven) = proven {
        request.extensions_mut().insert(proven);
    }
    Ok(access)
}

/// A middleware that lets only requests with a good token through, and with the proof of its key if it is bound to one.
/// Handlers behind it can take an [`AccessToken`].
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use actix_web::{App, http::StatusCode, test, web};
/// use heirloom_verifier::actix::Protect;
///
/// let protect = Protect::new(&sample().build().await?).require_scope("orders:read");
/// let orders = web::resource("/orders").wrap(protect).to(async |access: AccessToken| access.subject.clone());
/// let app = test::init_service(App::new().service(orders)).await;
///
/// let request = test::TestRequest::with_uri("/orders").to_request();
/// assert_eq!(test::call_service(&app, request).await.status(), StatusCode::UNAUTHORIZED);
///
/// let header = ("authorization", format!("Bearer {TOKEN}"));
/// let request = test::TestRequest::with_uri("/orders").insert_header(header).to_request();
/// assert_eq!(test::call_and_read_body(&app, request).await, "ana");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Protect {
    verifier: Verifier,
    scopes: Vec<String>,
    step_up: Option<StepUp>,
}

impl Protect {
    /// Requires a good token.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let verifier = sample().build().await?;
    /// let protect = heirloom_verifier::actix::Protect::new(&verifier);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn new(verifier: &Verifier) -> Self {
        Self { verifier: verifier.clone(), scopes: Vec::new(), step_up: None }
    }

    /// Requires this scope too. May be called more than once.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use heirloom_verifier::actix::Protect;
    ///
    /// let protect = Protect::new(&sample().build().await?)
    ///     .require_scope("orders:read")
    ///     .require_scope("orders:write");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn require_scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// Requires that the user signed in like this (RFC 9470).
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use heirloom_verifier::{StepUp, actix::Protect};
    ///
    /// let protect = Protect::new(&sample().build().await?).require_step_up(StepUp::two_factors());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn require_step_up(self, step_up: StepUp) -> Self {
        Self { step_up: Some(step_up), ..self }
    }
}

impl<S, B> Transform<S, ServiceRequest> for Protect
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = Protected<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(Protected { service: Rc::new(service), rules: Rc::new(self.clone()) }))
    }
}

/// A service behind a [`Protect`]: what wrapping makes, never built by hand. [`Protect`] shows it at work.
#[derive(Debug)]
pub struct Protected<S> {
    service: Rc<S>,
    rules: Rc<Protect>,
}

impl<S, B> Service<ServiceRequest> for Protected<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Pending<Self::Response>;

    fn poll_ready(&self, context: &mut task::Context<'_>) -> task::Poll<Result<(), Error>> {
        self.service.poll_ready(context)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let (service, rules) = (Rc::clone(&self.service), Rc::clone(&self.rules));
        Box::pin(async move {
            match verify(&rules.verifier, request.request(), (&rules.scopes, rules.step_up.as_ref())).await {
                Ok(access) => {
                    request.extensions_mut().insert(access);
                    Ok(service.call(request).await?.map_into_left_body())
                }
                // An answer, not an error: what wraps this (CORS, say) must be able to add its headers.
                Err(refusal) => {
                    let challenge = rules.verifier.challenge_for(&refusal, &rules.scopes);
                    let refused = Refused { refusal, challenge };
                    Ok(request.into_response(refused.error_response()).map_into_right_body())
                }
            }
        })
    }
}
