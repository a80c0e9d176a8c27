//! The rules of the mapping, in the order of the specification: later steps see the results of earlier ones.

mod addresses;
mod devices;
mod email;
pub(crate) mod envelope;
mod files;
mod java_text;
mod left_over;
mod name_values;
mod outcome;
mod related;
mod tenant;
mod users;

pub(crate) use addresses::{SERVER, indexed_ip, is_ip};
pub(crate) use envelope::copy_user_id;
pub(crate) use files::{file_size, whole_number};
pub(crate) use outcome::SEVERITIES;
pub(crate) use users::split_address;

use crate::document::{Document, Step};
use crate::extensions;
use crate::json::{key, path};
use crate::record_type;
use crate::workload;

/// Runs every rule over one event. It ends early only in a profile that aborts on errors.
///
/// The groups stay functions of their own in the compiled code, too, and so does what comes before and after them: put together in
/// one, they took 100 MB to compile to machine code and were slower, because in a large function the address
/// of the memory is in no register, but read from the stack for each access.
pub(crate) fn run(doc: &mut Document<'_>) -> Step {
    what_every_event_has(doc)?;
    direct_counterparts(doc)?;
    other_shapes(doc)?;
    // 21-30: what only some services know.
    workload::run(doc)?;
    extensions::before_addresses(doc)?;
    who_and_where(doc)?;
    put_together(doc)?;
    if doc.profile.maps_newer_fields {
        newer_fields(doc)?;
        extensions::after_rules(doc)?;
        related::everything_else(doc);
    } else {
        related::users_in_data(doc);
        extensions::after_rules(doc)?;
    }
    extensions::at_the_end(doc);
    Ok(())
}

/// 1-6: what every event has.
#[inline(never)]
fn what_every_event_has(doc: &mut Document<'_>) -> Step {
    envelope::original(doc)?;
    envelope::constants(doc)?;
    envelope::timestamp(doc)?;
    left_over::numbers_to_text_early(doc)?;
    if doc.profile.maps_newer_fields {
        left_over::separate_objects(doc);
        files::file_fields(doc)?;
        left_over::parse_actions(doc);
    }
    doc.move_field(path!("Id"), path!("event.id"))?;
    left_over::list_base_type(doc);
    Ok(())
}

/// 7-14: the fields with a direct counterpart.
#[inline(never)]
fn direct_counterparts(doc: &mut Document<'_>) -> Step {
    addresses::choose_client(doc)?;
    envelope::user_id(doc)?;
    doc.move_field(path!("Workload"), path!("event.provider"))?;
    doc.move_field(path!("Operation"), path!("event.action"))?;
    doc.move_field(path!("OrganizationId"), path!("organization.id"))?;
    left_over::parse_in_place(doc, key!("AdditionalInfo"));
    left_over::parse_in_place(doc, key!("OperationProperties"));
    doc.move_field(path!("UserAgent"), path!("user_agent.original"))?;
    record_type::event_code(doc)?;
    outcome::event_outcome(doc)
}

/// 15-20: fields that get another shape.
#[inline(never)]
fn other_shapes(doc: &mut Document<'_>) -> Step {
    name_values::to_object(doc, key!("Parameters"))?;
    if doc.profile.maps_newer_fields {
        email::of_parameters(doc)?;
    }
    left_over::platform(doc)?;
    name_values::to_object(doc, key!("ExtendedProperties"))?;
    name_values::modified_properties(doc)?;
    left_over::alert_links(doc);
    outcome::event_severity(doc)
}

/// 31-36: who, from where, to where.
#[inline(never)]
fn who_and_where(doc: &mut Document<'_>) -> Step {
    addresses::client(doc)?;
    addresses::server(doc)?;
    addresses::endpoints(doc)?;
    users::split_all(doc)?;
    addresses::network_type(doc)
}

/// 37-45: what is put together from the rest.
#[inline(never)]
fn put_together(doc: &mut Document<'_>) -> Step {
    related::addresses_and_users(doc);
    doc.move_field(
        path!("ExtendedProperties.UserAgent"),
        path!("user_agent.original"),
    )?;
    tenant::organization_and_host(doc)?;
    if doc.profile.maps_newer_fields {
        email::of_mail_fields(doc);
        email::attachments(doc)?;
        left_over::dates(doc)?;
    }
    left_over::numbers_to_text_late(doc)?;
    workload::alerts::data(doc)
}

/// Records and fields that the older profile does not know.
#[inline(never)]
fn newer_fields(doc: &mut Document<'_>) -> Step {
    email::of_alert_data(doc)?;
    let detection_methods = email::of_entities(doc)?;
    devices::access_context(doc)?;
    devices::additional_details(doc)?;
    workload::exchange::aggregated(doc, detection_methods);
    Ok(())
}

/// What happens to every document, the aborted ones included.
#[inline(never)]
pub(crate) fn finish(doc: &mut Document<'_>, aborted: bool) {
    envelope::put_back_record(doc, aborted);
    if !aborted {
        envelope::drop_unwanted(doc);
    }
    if doc.ecs.at(path!("error.message")).is_some() {
        // What is empty is not written anyway; only here somebody looks before that.
        if doc.profile.prunes_empties {
            doc.ecs.prune();
        }
        envelope::pipeline_error(doc);
    }
    doc.ecs.bring_to_front(key!("@timestamp"));
}
