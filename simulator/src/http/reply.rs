//! Answers before they are sent, and the error bodies of both services.

use crate::json;

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum Payload {
    /// A JSON array, still as elements, so that faults can meddle with single ones.
    Elements(Vec<Vec<u8>>),
    /// Anything else.
    Bytes(Vec<u8>),
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) media_type: &'static str,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) payload: Payload,
}

const JSON: &str = "application/json; charset=utf-8";

impl Reply {
    pub(crate) fn json(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            media_type: JSON,
            headers: Vec::new(),
            payload: Payload::Bytes(body.into()),
        }
    }

    pub(crate) fn elements(elements: Vec<Vec<u8>>) -> Self {
        Self {
            status: 200,
            media_type: JSON,
            headers: Vec::new(),
            payload: Payload::Elements(elements),
        }
    }

    pub(crate) fn html(status: u16) -> Self {
        let body = format!(
            "<!DOCTYPE html><html><head><title>{status}</title></head><body><h2>Our services aren't available right \
             now</h2><p>We're working to restore all services as soon as possible.</p></body></html>"
        );
        Self {
            status,
            media_type: "text/html",
            headers: Vec::new(),
            payload: Payload::Bytes(body.into_bytes()),
        }
    }

    /// What ASP.NET says to a rejected token.
    pub(crate) fn unauthorized() -> Self {
        Self::json(
            401,
            r#"{"Message":"Authorization has been denied for this request."}"#,
        )
        .with("WWW-Authenticate", "Bearer")
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// An error of the API in its documented form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) code: String,
    pub(crate) status: u16,
    pub(crate) message: String,
}

impl ApiError {
    /// The error with its usual status; `detail` fills the gap of the message, if it has one.
    pub(crate) fn new(code: &str, detail: &str) -> Self {
        let (status, message) = match code {
            "AF10001" => (
                401,
                "The permission set ({}) sent in the request did not include the expected permission.",
            ),
            "AF20001" => (400, "Missing parameter: {}."),
            "AF20002" => (400, "Invalid parameter type: {}."),
            "AF20003" => (400, "Expiration {} provided is set to past date and time."),
            "AF20010" => (
                400,
                "The tenant ID passed in the URL ({}) does not match the tenant ID passed in the access token.",
            ),
            "AF20011" => (
                400,
                "Specified tenant ID ({}) does not exist in the system or has been deleted.",
            ),
            "AF20012" => (
                400,
                "Specified tenant ID ({}) is incorrectly configured in the system.",
            ),
            "AF20013" => (400, "The tenant ID passed in the URL ({}) is not a valid GUID."),
            "AF20020" => (400, "The specified content type is not valid."),
            "AF20021" => (400, "The webhook endpoint ({}) could not be validated."),
            "AF20022" => (400, "No subscription found for the specified content type."),
            "AF20023" => (400, "The subscription was disabled by a tenant administrator."),
            "AF20024" => (400, "The subscription is already enabled. No property change."),
            "AF20030" | "AF20055" => (
                400,
                "Start time and end time must both be specified (or both omitted) and must be less than or equal to 24 \
                 hours apart, with the start time prior to end time and start time no more than 7 days in the past.",
            ),
            "AF20031" => (400, "Invalid nextPage Input: {}."),
            "AF20050" => (404, "The specified content ({}) does not exist."),
            "AF20051" => (
                400,
                "Content requested with the key {} has already expired. Content older than 7 days cannot be retrieved.",
            ),
            "AF20052" => (400, "Content ID {} in the URL is invalid."),
            "AF20053" => (
                400,
                "Only one language may be present in the Accept-Language header.",
            ),
            "AF20054" => (400, "Invalid syntax in Accept-Language header."),
            "AF429" => (403, "Too many requests. {}"),
            "AF50000" => (500, "An internal error occurred. Retry the request."),
            code if code.starts_with("AF5") => (
                500,
                "An internal server error occurred. Retry the request in an hour.",
            ),
            _ => (400, "The request was refused."),
        };
        Self {
            code: code.to_owned(),
            status,
            message: message.replace("{}", detail),
        }
    }

    /// `{"error": {"code": …, "message": …}}`.
    pub(crate) fn body(&self) -> String {
        json::text(|body| {
            body.object("error", |error| {
                error.str("code", &self.code).str("message", &self.message);
            });
        })
    }
}

impl From<ApiError> for Reply {
    fn from(error: ApiError) -> Self {
        Self::json(error.status, error.body())
    }
}

/// The answer to `start` while the tenant does not write an audit log: where other errors have a code, there is prose.
pub(crate) fn audit_log_off(tenant: &str, content_type: &str) -> Reply {
    let frame =
        "   at Microsoft.Office.Compliance.Audit.DataServiceException.Simulated.StartSubscription()\r\n";
    let body = json::text(|body| {
        body.object("error", |error| {
            error
                .str("code", &format!(
                    "StartSubscription [CorrId={}] [TenantId={tenant},ContentType={content_type},ApplicationId=\
                     simulated] failed. Exception: Microsoft.Office.Compliance.Audit.DataServiceException",
                    crate::random::guid(1, 2)
                ))
                .str("message", &format!(
                    "Microsoft.Office.Compliance.Audit.DataServiceException: Tenant {tenant} does not exist.\r\n{}",
                    frame.repeat(14)
                ));
        });
    });
    Reply::json(400, body)
}

/// An error of the token endpoint.
pub(crate) fn aadsts(code: u32, detail: &str) -> Reply {
    let (status, error, text) = match code {
        7_000_215 => (
            401,
            "invalid_client",
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, \
             not the client secret ID.",
        ),
        7_000_222 => (
            401,
            "invalid_client",
            "The provided client secret keys for app are expired.",
        ),
        700_027 => (
            401,
            "invalid_client",
            "The certificate with identifier used to sign the client assertion is not \
             registered on application.",
        ),
        700_024 => (
            401,
            "invalid_client",
            "Client assertion is not within its valid time range.",
        ),
        700_023 => (
            401,
            "invalid_client",
            "Client assertion audience claim does not match Realm issuer.",
        ),
        50_012 => (401, "invalid_client", "Authentication failed."),
        50_013 => (401, "invalid_client", "Assertion failed signature validation."),
        50_027 => (400, "invalid_request", "JWT token is invalid or malformed."),
        700_016 => (
            400,
            "unauthorized_client",
            "Application was not found in the directory.",
        ),
        7_000_229 => (
            401,
            "unauthorized_client",
            "The client application is missing service principal in the tenant.",
        ),
        7_000_112 => (401, "unauthorized_client", "Application is disabled."),
        90_002 => (
            400,
            "invalid_request",
            "Tenant not found. Check to make sure you have the correct tenant ID.",
        ),
        900_023 => (
            400,
            "invalid_request",
            "Specified tenant identifier is neither a valid DNS name, nor a valid \
             external domain.",
        ),
        50_059 => (400, "invalid_request", "No tenant-identifying information found."),
        500_011 => (
            400,
            "invalid_resource",
            "The resource principal was not found in the tenant.",
        ),
        1_002_012 => (
            400,
            "invalid_scope",
            "The provided value for scope is not valid. Client credential flows must \
             have a scope value with /.default suffixed to the resource identifier (application ID URI).",
        ),
        70_011 => (
            400,
            "invalid_scope",
            "The provided request must include a 'scope' input parameter.",
        ),
        70_003 => (
            400,
            "unsupported_grant_type",
            "The app requested an unsupported grant type.",
        ),
        7_000_218 => (
            401,
            "invalid_client",
            "The request body must contain the following parameter: \
             'client_assertion' or 'client_secret'.",
        ),
        900_144 => (
            400,
            "invalid_request",
            "The request body must contain the following parameter.",
        ),
        700_213 | 70_021 => (
            401,
            "invalid_client",
            "No matching federated identity record found.",
        ),
        53_003 => (
            400,
            "access_denied",
            "Access has been blocked by Conditional Access policies.",
        ),
        50_196 => (
            400,
            "invalid_grant",
            "The server terminated an operation because it encountered a client request \
             loop.",
        ),
        90_033 | 90_024 => (
            503,
            "temporarily_unavailable",
            "A transient error has occurred. Please try again.",
        ),
        90_055 => (
            429,
            "temporarily_unavailable",
            "The server terminated the request because of too many requests.",
        ),
        _ => (400, "invalid_request", "The request was refused."),
    };
    let trace = crate::random::guid(u64::from(code), 7);
    let body = json::text(|body| {
        body.str("error", error)
            .str(
                "error_description",
                &format!("AADSTS{code}: {text} {detail} Trace ID: {trace}"),
            )
            .array("error_codes", |codes| codes.raw(&code.to_string()))
            .str("timestamp", "2026-01-15 12:00:00Z")
            .str("trace_id", &trace)
            .str("correlation_id", &trace)
            .str("error_uri", &format!("https://login.example/error?code={code}"));
    });
    Reply::json(status, body)
}
