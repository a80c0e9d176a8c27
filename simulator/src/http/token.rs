//! The token endpoint, both versions.

use crate::config::is_guid;
use crate::fault::Action;
use crate::http::call::{Call, Pairs};
use crate::http::jwt::Grant;
use crate::http::reply::{Reply, aadsts};
use crate::http::{App, assertion, lock};
use crate::json;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The published resources, besides the simulator itself.
const RESOURCES: [&str; 5] = [
    "https://manage.office.com",
    "https://manage-gcc.office.com",
    "https://manage.office365.us",
    "https://manage.protection.apps.mil",
    "https://manage.office365.cn",
];

/// Whether the simulator issues and accepts tokens for this audience.
pub(crate) fn is_resource(app: &App, resource: &str) -> bool {
    let resource = resource.trim_end_matches('/');
    resource == app.base_url
        || RESOURCES.contains(&resource)
        || app
            .config
            .resources
            .iter()
            .any(|known| known.trim_end_matches('/') == resource)
}

pub(crate) fn issue(app: &App, call: &Call, tenant: &str, v2: bool, actions: &[Action]) -> Reply {
    match grant(app, call, tenant, v2, actions) {
        Ok(reply) => reply,
        Err((code, detail)) => aadsts(code, &detail),
    }
}

/// The target of the token, from `scope` (v2) or `resource` (v1).
fn resource<'a>(app: &App, form: &'a Pairs, v2: bool) -> Result<&'a str, (u32, String)> {
    let resource = if v2 {
        let scope = form.get("scope").ok_or((900_144, "scope".to_owned()))?;
        scope
            .strip_suffix("/.default")
            .ok_or_else(|| (1_002_012, format!("The scope is {scope}.")))?
    } else {
        form.get("resource").ok_or((900_144, "resource".to_owned()))?
    };
    if is_resource(app, resource) {
        Ok(resource)
    } else {
        Err((500_011, resource.to_owned()))
    }
}

fn authenticate(app: &App, call: &Call, form: &Pairs) -> Result<(), (u32, String)> {
    let basic = call.basic();
    let client_id = basic
        .as_ref()
        .map(|(id, _)| id.as_str())
        .or_else(|| form.get("client_id"))
        .ok_or((900_144, "client_id".to_owned()))?;
    if !client_id.eq_ignore_ascii_case(&app.config.application_id) {
        return Err((700_016, client_id.to_owned()));
    }
    if let Some(token) = form.get("client_assertion") {
        return if form.get("client_assertion_type") == Some(ASSERTION_TYPE) {
            assertion::check(app, &call.path, client_id, token)
        } else {
            Err((900_144, "client_assertion_type".to_owned()))
        };
    }
    match basic
        .as_ref()
        .map(|(_, secret)| secret.as_str())
        .or_else(|| form.get("client_secret"))
    {
        None => Err((7_000_218, String::new())),
        Some(secret) if secret == app.config.client_secret => Ok(()),
        Some(_) => Err((7_000_215, String::new())),
    }
}

fn grant(app: &App, call: &Call, tenant: &str, v2: bool, actions: &[Action]) -> Result<Reply, (u32, String)> {
    let media_type = call.header("content-type").unwrap_or_default();
    if !media_type
        .to_ascii_lowercase()
        .starts_with("application/x-www-form-urlencoded")
    {
        return Err((900_144, "grant_type (the body is not a form)".to_owned()));
    }
    let form = Pairs::parse(&String::from_utf8_lossy(&call.body));
    if ["common", "organizations", "consumers"].contains(&tenant) {
        return Err((50_059, tenant.to_owned()));
    }
    let index = app
        .config
        .tenants
        .iter()
        .position(|spec| spec.id.eq_ignore_ascii_case(tenant) || spec.name.eq_ignore_ascii_case(tenant));
    let Some(index) = index else {
        let malformed = !is_guid(tenant) && !tenant.contains('.');
        return Err((if malformed { 900_023 } else { 90_002 }, tenant.to_owned()));
    };
    match form.get("grant_type") {
        Some("client_credentials") => {}
        Some(other) => return Err((70_003, other.to_owned())),
        None => return Err((900_144, "grant_type".to_owned())),
    }
    let resource = resource(app, &form, v2)?;
    authenticate(app, call, &form)?;

    let granted = grant_to(app, index, resource, actions);
    let text = !v2 || actions.contains(&Action::ExpiresInAsString);
    let body = json::text(|body| {
        body.str("token_type", "Bearer");
        if text {
            body.str("expires_in", &granted.lifetime.to_string())
                .str("ext_expires_in", &granted.lifetime.to_string());
        } else {
            let lifetime = i64::try_from(granted.lifetime).unwrap_or(i64::MAX);
            body.int("expires_in", lifetime).int("ext_expires_in", lifetime);
        }
        if !v2 {
            body.str("expires_on", &granted.expires.to_string())
                .str("not_before", &granted.issued.to_string())
                .str("resource", resource);
        }
        body.str("access_token", &granted.token);
    });
    Ok(Reply::json(200, body).with("Cache-Control", "no-store, no-cache"))
}

/// A token, and when it is valid.
pub(crate) struct Granted {
    pub(crate) token: String,
    /// Seconds since 1970.
    pub(crate) issued: i64,
    pub(crate) expires: i64,
    /// Seconds.
    pub(crate) lifetime: u64,
}

/// Issues a token for whoever has shown that it may have one.
pub(crate) fn grant_to(app: &App, tenant: usize, resource: &str, actions: &[Action]) -> Granted {
    let spec = &app.config.tenants[tenant];
    let mut lifetime = app.config.token_lifetime.as_secs();
    let (mut roles, mut with_roles) = (spec.roles.clone(), !spec.roles.is_empty());
    let mut tid = spec.id.as_str();
    for action in actions {
        match action {
            Action::TokenLifetime { secs } => lifetime = *secs,
            Action::TokenWithoutRoles => with_roles = false,
            Action::TokenWithoutRole { role } => roles.retain(|kept| kept != role),
            Action::TokenForTenant { tenant } => tid = tenant,
            _ => {}
        }
    }
    let issued = app.now().timestamp();
    let expires = issued + i64::try_from(lifetime).unwrap_or(i64::from(u32::MAX));
    let token = lock(&app.tokens).issue(&Grant {
        audience: resource,
        tenant: tid,
        application: &app.config.application_id,
        roles: with_roles.then_some(roles.as_slice()),
        issued,
        expires,
    });
    lock(&app.journal).token_issued();
    Granted {
        token,
        issued,
        expires,
        lifetime,
    }
}
