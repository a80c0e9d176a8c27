//! What every request of the API has to show before anything else is looked at.

use crate::config::{READ_DLP_ROLE, READ_ROLE, is_guid};
use crate::content_type::ContentType;
use crate::fault::Operation;
use crate::http::call::Call;
use crate::http::reply::{ApiError, Reply};
use crate::http::token::is_resource;
use crate::http::{App, lock};

/// A caller that was let in.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) tenant: usize,
    roles: Vec<String>,
}

impl Access {
    /// The content type named by the request, if it exists and the caller may read it.
    pub(crate) fn content_type(&self, call: &Call) -> Result<ContentType, ApiError> {
        let name = call
            .query
            .get("contentType")
            .ok_or_else(|| ApiError::new("AF20001", "contentType"))?;
        let content_type = name.parse().map_err(|_| ApiError::new("AF20020", name))?;
        self.may_read(content_type)?;
        Ok(content_type)
    }

    pub(crate) fn may_read(&self, content_type: ContentType) -> Result<(), ApiError> {
        if content_type == ContentType::Dlp && !self.roles.iter().any(|role| role == READ_DLP_ROLE) {
            return Err(ApiError::new("AF10001", &self.roles.join(" ")));
        }
        Ok(())
    }
}

/// Checks length, token, tenant and role, in the order of the service: front end, authorisation, parameters.
pub(crate) fn enter(app: &App, call: &Call) -> Result<Access, Reply> {
    if call.post && call.header("content-length").is_none() && call.header("transfer-encoding").is_none() {
        let mut reply = Reply::html(411);
        reply.media_type = "text/html; charset=us-ascii";
        return Err(reply);
    }
    let refuse = || {
        lock(&app.journal).refused_token();
        Reply::unauthorized()
    };
    let Some(token) = call.bearer() else {
        return Err(Reply::unauthorized());
    };
    let now = app.now().timestamp();
    let claims = lock(&app.tokens).verify(token).ok_or_else(refuse)?;
    if claims.exp <= now || claims.nbf > now || !is_resource(app, &claims.aud) {
        return Err(refuse());
    }
    let id = call.route.tenant().unwrap_or_default();
    if !is_guid(id) {
        return Err(ApiError::new("AF20013", id).into());
    }
    if !claims.tid.eq_ignore_ascii_case(id) {
        return Err(ApiError::new("AF20010", id).into());
    }
    let tenant = app.tenant_by_id(id).ok_or_else(|| ApiError::new("AF20011", id))?;
    if !claims.roles.iter().any(|role| role == READ_ROLE) {
        return Err(ApiError::new("AF10001", &claims.roles.join(" ")).into());
    }
    if call.route.operation() == Operation::FetchBlob
        && call.route.content_id().is_some_and(|id| id.contains("%24"))
    {
        // The service may well tolerate it; a client that touches an opaque URL will be bitten elsewhere.
        lock(&app.journal).forbidden(app.now(), &call.label, "the `$` of the contentUri was re-encoded");
        return Err(ApiError::new("AF20052", call.route.content_id().unwrap_or_default()).into());
    }
    Ok(Access {
        tenant,
        roles: claims.roles,
    })
}
