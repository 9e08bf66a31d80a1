//! How a page is looked at, and sent forms.

use actix_web::{Handler, HttpRequest, HttpResponse, web};

use crate::http::Web;
use crate::http::body::{Body, Form};
use crate::http::edge::Arrival;
use crate::http::error::Problem;
use crate::http::pages::back::answer_stop;
use crate::http::pages::visit::Visit;
use crate::http::stop::Stop;

/// What a page answers to a browser that looks at it.
pub(crate) trait Show:
    AsyncFn(&Visit, &HttpRequest) -> Result<HttpResponse, Stop> + Clone + 'static
{
}
impl<F> Show for F where F: AsyncFn(&Visit, &HttpRequest) -> Result<HttpResponse, Stop> + Clone + 'static {}

/// What a page answers to a browser that sends it a form.
pub(crate) trait Take:
    AsyncFn(&Visit, &HttpRequest, Form) -> Result<HttpResponse, Stop> + Clone + 'static
{
}
impl<F> Take for F where F: AsyncFn(&Visit, &HttpRequest, Form) -> Result<HttpResponse, Stop> + Clone + 'static
{}

/// The handler of a page that is looked at.
pub(crate) fn showing(
    show: impl Show,
) -> impl Handler<(web::Data<Web>, HttpRequest, Arrival), Output = HttpResponse> {
    move |web: web::Data<Web>, request: HttpRequest, Arrival(now): Arrival| {
        let show = show.clone();
        async move {
            let visit = Visit::new(web, &request, now);
            match show(&visit, &request).await {
                Ok(answer) => answer,
                Err(stop) => answer_stop(&visit, &stop).await,
            }
        }
    }
}

/// The handler of a page that is sent a form of ours.
pub(crate) fn taking(
    take: impl Take,
) -> impl Handler<(web::Data<Web>, HttpRequest, Arrival, Body), Output = HttpResponse> {
    taking_read(Form::read, take)
}

/// The handler of a page that is sent a client's request, which is judged elsewhere.
pub(crate) fn taking_as_sent(
    take: impl Take,
) -> impl Handler<(web::Data<Web>, HttpRequest, Arrival, Body), Output = HttpResponse> {
    taking_read(Form::read_as_sent, take)
}

fn taking_read(
    read: fn(&HttpRequest, Body) -> Result<Form, Problem>,
    take: impl Take,
) -> impl Handler<(web::Data<Web>, HttpRequest, Arrival, Body), Output = HttpResponse> {
    move |web: web::Data<Web>, request: HttpRequest, Arrival(now): Arrival, body: Body| {
        let take = take.clone();
        async move {
            let visit = Visit::new(web, &request, now);
            let answer = match read(&request, body) {
                Ok(form) => take(&visit, &request, form).await,
                Err(problem) => Err(problem.into()),
            };
            match answer {
                Ok(answer) => answer,
                Err(stop) => answer_stop(&visit, &stop).await,
            }
        }
    }
}
