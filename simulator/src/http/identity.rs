//! The endpoints that hand out tokens of a managed identity: the metadata service of a virtual machine, and the one of
//! App Service, Functions and Container Apps. The identity belongs to the first tenant.

use crate::fault::Action;
use crate::http::call::Call;
use crate::http::reply::Reply;
use crate::http::token::{Granted, grant_to, is_resource};
use crate::http::{App, lock};
use crate::json;

/// Which of the two endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Platform {
    VirtualMachine,
    AppService,
}

pub(crate) fn issue(app: &App, call: &Call, platform: Platform, actions: &[Action]) -> Reply {
    match check(app, call, platform) {
        Err((status, error, description)) => {
            if status != 404 {
                lock(&app.journal).forbidden(app.now(), &call.label, description);
            }
            Reply::json(
                status,
                json::text(|body| {
                    body.str("error", error).str("error_description", description);
                }),
            )
        }
        Ok(resource) => Reply::json(
            200,
            answer(&grant_to(app, 0, &resource, actions), &resource, platform),
        ),
    }
}

type Refusal = (u16, &'static str, &'static str);

fn check(app: &App, call: &Call, platform: Platform) -> Result<String, Refusal> {
    let invalid = |description| Err((400, "invalid_request", description));
    let version = match platform {
        Platform::VirtualMachine => {
            if call.header("metadata") != Some("true") {
                return invalid("Required metadata header not specified");
            }
            if call.header("x-forwarded-for").is_some() {
                return invalid("Requests through a proxy are not answered");
            }
            "2018-02-01"
        }
        Platform::AppService => {
            let Some(expected) = &app.config.identity_header else {
                return Err((404, "not_found", "there is no such endpoint here"));
            };
            if call.header("x-identity-header") != Some(expected) {
                return Err((401, "unauthorized", "The identity header is missing or wrong"));
            }
            "2019-08-01"
        }
    };
    if call.query.get("api-version") != Some(version) {
        return invalid("The api-version is missing or unknown");
    }
    let client_id = call.query.get("client_id");
    if client_id.is_some_and(|id| !id.eq_ignore_ascii_case(&app.config.application_id)) {
        return Err((400, "invalid_request", "Identity not found"));
    }
    match call.query.get("resource") {
        Some(resource) if is_resource(app, resource) => Ok(resource.to_owned()),
        _ => invalid("The resource is missing or unknown"),
    }
}

/// All numbers are strings; only a virtual machine tells how long the token lives.
fn answer(granted: &Granted, resource: &str, platform: Platform) -> String {
    json::text(|body| {
        body.str("access_token", &granted.token)
            .str("expires_on", &granted.expires.to_string())
            .str("resource", resource)
            .str("token_type", "Bearer");
        if platform == Platform::VirtualMachine {
            body.str("expires_in", &granted.lifetime.to_string())
                .str("ext_expires_in", &granted.lifetime.to_string())
                .str("not_before", &granted.issued.to_string());
        }
    })
}
