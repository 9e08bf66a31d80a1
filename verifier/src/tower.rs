//! For tower, and so for axum: a layer.
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let verifier = sample().build().await?;
//! use heirloom_verifier::tower::VerifierLayer;
//! use http::{Request, Response};
//! use tower::{ServiceBuilder, ServiceExt as _, service_fn};
//!
//! // With axum the same: Router::new().route(…).layer(VerifierLayer::new(&verifier)),
//! // and handlers take Extension(access): Extension<AccessToken>.
//! let service = ServiceBuilder::new()
//!     .layer(VerifierLayer::new(&verifier).require_scope("orders:read"))
//!     .service(service_fn(async |request: Request<()>| {
//!         let access = request.extensions().get::<AccessToken>().unwrap();
//!         Ok::<_, std::convert::Infallible>(Response::new(format!("hello {}", access.subject)))
//!     }));
//!
//! let request = Request::builder().header("authorization", format!("Bearer {TOKEN}")).body(())?;
//! assert_eq!(service.oneshot(request).await?.body(), "hello ana");
//! # Ok(())
//! # }
//! ```

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, AUTHORIZATION,
    CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

use crate::incoming::{Incoming, Proven};
use crate::resource::WELL_KNOWN;
use crate::{AccessToken, ClientCertificate, StepUp, Verifier, VerifyError};

const DPOP: HeaderName = HeaderName::from_static("dpop");

/// Lets only requests with a good token through, and puts its [`AccessToken`] into the request's extensions. Answers
/// itself what clients are told of the service ([`Builder::resource`](crate::Builder::resource)): put it around the
/// whole router. There it also sees the whole path that a proof has to be made for: within `Router::nest` of axum it
/// does not.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use heirloom_verifier::tower::VerifierLayer;
/// use http::{Request, Response};
/// use tower::{Layer as _, ServiceExt as _, service_fn};
///
/// let layer = VerifierLayer::new(&sample().build().await?).require_scope("orders:read");
/// let service = layer.layer(service_fn(async |_: Request<()>| {
///     Ok::<_, std::convert::Infallible>(Response::new("orders".to_owned()))
/// }));
/// let refused = service.oneshot(Request::new(())).await?;
/// let challenge = refused.headers()["www-authenticate"].to_str()?;
/// assert!(challenge.starts_with(r#"Bearer realm="api", scope="orders:read", DPoP "#));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct VerifierLayer {
    verifier: Verifier,
    scopes: Vec<String>,
    step_up: Option<StepUp>,
}

impl VerifierLayer {
    /// Requires a good token.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sample/mod.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let verifier = sample().build().await?;
    /// let layer = heirloom_verifier::tower::VerifierLayer::new(&verifier);
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
    /// use heirloom_verifier::tower::VerifierLayer;
    ///
    /// let layer = VerifierLayer::new(&sample().build().await?)
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
    /// use heirloom_verifier::{StepUp, tower::VerifierLayer};
    ///
    /// let layer = VerifierLayer::new(&sample().build().await?).require_step_up(StepUp::two_factors());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn require_step_up(self, step_up: StepUp) -> Self {
        Self { step_up: Some(step_up), ..self }
    }
}

impl<S> Layer<S> for VerifierLayer {
    type Service = Protected<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Protected { inner, rules: self.clone() }
    }
}

/// A service behind a [`VerifierLayer`]: what the layer makes, never built by hand. [`VerifierLayer`] shows it at work.
#[derive(Debug, Clone)]
pub struct Protected<S> {
    inner: S,
    rules: VerifierLayer,
}

impl<S, B, R> Service<Request<B>> for Protected<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: From<String>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The service that said it was ready must be the one that is called.
        let fresh = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        let rules = self.rules.clone();
        // The body stays apart: it need not be one that threads can share.
        let (mut parts, body) = request.into_parts();
        Box::pin(async move {
            if let Some(told) = rules.metadata(&parts.method, parts.uri.path()) {
                return Ok(told);
            }
            match rules.verify(&mut parts).await {
                Ok(access) => {
                    parts.extensions.insert(access);
                    inner.call(Request::from_parts(parts, body)).await
                }
                Err(refusal) => Ok(rules.answer(&refusal)),
            }
        })
    }
}

impl VerifierLayer {
    async fn verify(&self, request: &mut Parts) -> Result<AccessToken, VerifyError> {
        let known = request.extensions.get::<Proven>().and_then(|proven| proven.access(&self.verifier));
        let access = match known {
            Some(access) => access,
            None => self.verify_anew(request).await?,
        };
        access.require_scopes(&self.scopes)?;
        if let Some(step_up) = &self.step_up {
            self.verifier.require_step_up(&access, step_up)?;
        }
        Ok(access)
    }

    async fn verify_anew(&self, request: &mut Parts) -> Result<AccessToken, VerifyError> {
        let incoming = Incoming {
            method: request.method.as_str(),
            path: request.uri.path(),
            query: request.uri.query().unwrap_or_default(),
            certificate: request.extensions.get::<ClientCertificate>(),
        };
        let headers = |name: &HeaderName| request.headers.get_all(name).iter().map(HeaderValue::as_bytes);
        let (access, proven) =
            incoming.verify(&self.verifier, headers(&AUTHORIZATION), headers(&DPOP)).await?;
        if let Some(proven) = proven {
            request.extensions.insert(proven);
        }
        Ok(access)
    }

    fn answer<R: From<String>>(&self, refusal: &VerifyError) -> Response<R> {
        let mut response = Response::new(R::from(refusal.body()));
        *response.status_mut() = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::UNAUTHORIZED);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let challenge = self.verifier.challenge_for(refusal, &self.scopes);
        match challenge.and_then(|challenge| HeaderValue::try_from(challenge).ok()) {
            Some(challenge) => headers.insert(WWW_AUTHENTICATE, challenge),
            None => headers.insert(RETRY_AFTER, HeaderValue::from_static("5")),
        };
        if let Some(nonce) = refusal.nonce().and_then(|nonce| HeaderValue::try_from(nonce).ok()) {
            headers.insert("dpop-nonce", nonce);
        }
        response
    }

    /// What clients are told of the service, if that is what is asked for: nobody has a token yet.
    fn metadata<R: From<String>>(&self, method: &Method, path: &str) -> Option<Response<R>> {
        let metadata = self.verifier.resource_metadata()?;
        if path != metadata.path() && path != WELL_KNOWN {
            return None;
        }
        let json = match *method {
            Method::GET => metadata.json(),
            Method::HEAD | Method::OPTIONS => "",
            _ => return None,
        };
        let mut response = Response::new(R::from(json.to_owned()));
        for (name, value) in [
            (CONTENT_TYPE, "application/json"),
            (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
            (ACCESS_CONTROL_ALLOW_METHODS, "GET"),
            (ACCESS_CONTROL_ALLOW_HEADERS, "*"),
        ] {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        Some(response)
    }
}
