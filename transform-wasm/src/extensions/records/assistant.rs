//! Copilot and other AI applications.

use super::super::exchange::members;
use crate::document::{Document, Step};
use crate::json::{Key, Text, Value, key, path};

/// What a person asked an assistant, and what it read to answer.
pub(super) fn interaction(doc: &mut Document<'_>) -> Step {
    if doc.overrides() {
        doc.copy_if_filled(path!("CopilotEventData.AppHost"), path!("cloud.service.name"))?;
    }
    // `ffff:10.1.2.3`: neither an address nor a host. The raw text is kept.
    let junk = |domain: Text<'_>| domain.wire().contains(':');
    if doc.overrides() && doc.ecs_text(path!("client.domain")).is_some_and(junk) {
        doc.ecs.remove_at(path!("client.domain"));
    }
    if !doc.has(path!("source.ip")) {
        doc.copy_if_filled(path!("ClientRegion"), path!("source.geo.country_iso_code"))?;
    }
    for (from, to) in [
        (key!("ModelName"), path!("gen_ai.request.model")),
        (key!("ModelProviderName"), path!("gen_ai.provider.name")),
    ] {
        for list in [
            path!("ModelTransparencyDetails"),
            path!("CopilotEventData.ModelTransparencyDetails"),
        ] {
            if let Some(first) = members(doc, list, from).list().and_then(|list| list.first()) {
                doc.set_if_unset(to, first.clone())?;
            }
        }
    }
    let (mut prompts, mut responses) = (doc.new_list(), doc.new_list());
    for message in doc
        .src
        .at(path!("CopilotEventData.Messages"))
        .and_then(Value::list)
        .unwrap_or_default()
    {
        let Some(message) = message.object() else { continue };
        let Some(id) = message.get(key!("Id")).or_else(|| message.get(key!("id"))) else {
            continue;
        };
        let prompt = matches!(message.get(key!("isPrompt")), Some(Value::Bool(true)));
        if prompt {
            prompts.push(id.clone());
        } else {
            responses.push(id.clone());
        }
    }
    doc.collect(&Value::from(prompts), path!("o365.ext.ai.prompt_ids"));
    doc.collect(&Value::from(responses), path!("o365.ext.ai.response_ids"));
    for (field, list) in [
        (key!("Id"), path!("o365.ext.ai.plugin_ids")),
        (key!("Name"), path!("o365.ext.ai.plugin_names")),
    ] {
        let plugins = members(doc, path!("CopilotEventData.AISystemPlugin"), field);
        doc.collect(&plugins, list);
    }
    resources(doc)
}

fn resources(doc: &mut Document<'_>) -> Step {
    const FIELDS: [(&Key<'static>, &Key<'static>); 6] = [
        (key!("Name"), key!("name")),
        (key!("SiteUrl"), key!("url")),
        (key!("Type"), key!("type")),
        (key!("Action"), key!("action")),
        (key!("SensitivityLabelId"), key!("label_id")),
        (key!("ID"), key!("item_id")),
    ];
    let accessed = doc
        .src
        .at(path!("CopilotEventData.AccessedResources"))
        .and_then(Value::list)
        .unwrap_or_default();
    let mut resources = doc.new_list();
    for resource in accessed.iter().filter_map(Value::object) {
        let mut object = doc.new_object();
        for (from, to) in FIELDS {
            if let Some(value) = resource
                .get(from)
                .filter(|value| !value.is_void() && !value.holds_object())
            {
                object.set(to, value.clone());
            }
        }
        resources.push(Value::Object(object));
    }
    let Some(first) = resources.first().and_then(Value::object) else {
        return Ok(());
    };
    let (name, url) = (first.text(key!("name")), first.text(key!("url")));
    if resources.len() == 1 {
        if let Some(name) = name {
            doc.set_if_unset(path!("file.name"), name)?;
        }
        if let Some(url) = url {
            doc.set_if_unset(path!("url.original"), url)?;
        }
    }
    doc.classify_further(&["file"], &[]);
    doc.set(path!("o365.ext.ai.resources"), Value::from(resources))
}
