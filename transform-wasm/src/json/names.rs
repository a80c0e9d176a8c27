//! The names that rules look for.
//!
//! A name is compared with those of this list once, when it is read; from then on its tag stands for it, because no two names
//! of the list have the same tag. All names of [`path`](super::path) and [`key`](super::key) have to be in it, or they do not
//! compile. A name that nobody looks for by such a constant is compared as text.

use super::key::{same, tag};

/// With spaces between them, sorted.
const LIST: &str = "
@timestamp AADSessionId AISystemPlugin AccessedResources Action Actions ActivityDateTime Actor ActorIpAddress
ActorUserId ActorYammerUserId AdditionalInfo Address AffectedItems AlertEntityId AlertLinkHref AlertLinks
AppAccessContext AppHost AppName Application ApplicationDisplayName ApplicationName ArtifactName
AttachmentData Attachments AttackSimAdminEventType AttackSimEvent AttackSimEventType
AzureActiveDirectoryEventType BCC CC Case CaseId CaseName Category ChatThreadId ClientIP ClientIPAddress
ClientProcessName ClientRegion Comments CopilotEventData CreationTime DashboardName Data DatasetName
DeepLinkUrl DeeplinkURL DestFolder DestinationFileExtension DestinationFileName DestinationLabel
DestinationRelativeUrl DetectionMethod DeviceId DeviceName DeviceProperties Directionality DomainURL EndTime
EndTimeUtc EndpointMetaData EnforcementMode Entities EntityType ErrorCode ErrorNumber EventDeepLink EventType
EventValue ExceptionInfo ExchangeAggregatedFolders ExchangeAggregatedMessages ExchangeMetaData
ExtendedProperties FileData FileExtension FileId FileName FileOwner FilePath FilePathUrl FileSize
FileSizeBytes FilteringDate Folder FolderItems Folders ForwardAsAttachmentTo ForwardTo From GroupName ID Id
InternalLogonType InternetMessageId InvestigationId InvestigationName Item Key LabelId LastModifiedBy
LastModifiedTime LastUpdateTimeUtc ListBaseType ListItemUniqueId Location LogonError LogonType
LogonUserDisplayName LogonUserSid MailboxOwnerSid MailboxOwnerUPN MalwareFamily Member MemberRoleType Members
Message MessageObject MessageTime MessageURLs Messages ModelName ModelProviderName ModelTransparencyDetails
ModifiedProperties Name NetworkMessageId NewValue OS ObjectDisplayName ObjectId OldValue Operation
OperationProperties OrganizationId OrganizationName OriginalDeliveryLocation OriginatingDomain
OriginatingServer P1Sender P2Sender Parameters ParentFolder Path PhishConfidenceLevel Platform Policy
PolicyDetails PolicyId PolicyName ProcessName Query QueryText Reason Recipient RecipientEmail Recipients
RecordType RedirectTo ReleaseTo ReportMetadata ReportName RequestType RescanResult RescanVerdict ResultStatus
RiskEventType RiskLevel Role RuleId RuleName Rules RunningTime SHA256 SecurityComplianceCenterEventType
SendAsUserSmtp SendOnBehalfOfUserSmtp Sender SenderEntity SenderIP SenderIp SensitivityLabelEventData
SensitivityLabelId SessionId Severity Sha1 Sha256 SharePointMetaData SharingInformation SiteUrl
SourceFileExtension SourceFileName SourceId SourceLabel SourceRelativeUrl StartTime StartTimeUtc Subject
SubmissionType Target TargetFilePath TargetUserId TargetUserOrGroupName TargetUserOrGroupType
TargetYammerUserId TeamGuid TeamName ThreadId ThreatDetectionMethods TimeOfClick Timestamp To Trustee Type UPN
URL URLClickAction URLPath UniqueID UniqueId UniqueTokenId Upn Url UrlClickAction User User-Agent UserAgent
UserId UserIp UserSharedWith UserTrainingEventType UserType Value Verdict Version Workload YammerNetworkId
_conf _raw _temp account action additionalDetails address ai aii app_host application at attachments audit
case category chat_id city_name client client_port client_raw cloud code country_iso_code data_stream dataset
delivery_timestamp description destination device direction directory division domain ecs email end
enforcement error event ext extended_property_names extension f3u file file_id flattened fragment from full
full_name gen_ai geo group hash host hostname hosts id imsgid inode ip isPrompt item_id kind label label_id
lat local_id location lon mail_access_type md md5 message message_id message_ids model modified
modified_property_names module ms mtime multi name names namespace network o365 o365audit object organization
original os outcome overwritten owner parameter_names parameters path platform plugin_ids plugin_names port
process prompt_ids provider query reason recipientList reference region_name registered_domain related report
request resources response_ids roles rule ruleset scheme sender server service session severity sha1 sha256
sha512 sip size software source start subdomain subject suid tags target target_type te team tenant_id
tenant_name tenants thread_id threat to token top_level_domain trc ts tsd ttdt type url urls user user_agent
version
";

const COUNT: usize = count(LIST.as_bytes());

/// Every name with its tag.
static NAMES: [(u32, &str); COUNT] = split();

/// Four places for each name, so that what is not in the list is mostly seen at the first look.
const PLACES: usize = 2048;

/// The number of each name and one, at the place of its tag or behind it.
static TABLE: [u16; PLACES] = table();

/// Whether a name is in the list.
#[inline]
pub(super) fn holds(tag: u32, name: &str) -> bool {
    let mut place = place(tag);
    while let Some((known_tag, known)) = known(place) {
        if *known_tag == tag {
            return same(known.as_bytes(), name.as_bytes());
        }
        place = (place + 1) % PLACES;
    }
    false
}

#[inline]
fn known(place: usize) -> Option<&'static (u32, &'static str)> {
    NAMES.get(usize::from(TABLE[place]).wrapping_sub(1))
}

/// The same for the compiler, which has no use for the table.
pub(super) const fn lists(tag: u32, name: &str) -> bool {
    let mut at = 0;
    while at < COUNT {
        if NAMES[at].0 == tag {
            return equal(NAMES[at].1.as_bytes(), name.as_bytes());
        }
        at += 1;
    }
    false
}

const fn equal(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

const fn place(tag: u32) -> usize {
    (tag >> 21) as usize % PLACES
}

const fn count(list: &[u8]) -> usize {
    let (mut count, mut at) = (0, 1);
    while at < list.len() {
        count += (list[at].is_ascii_whitespace() && !list[at - 1].is_ascii_whitespace()) as usize;
        at += 1;
    }
    count
}

const fn split() -> [(u32, &'static str); COUNT] {
    let mut names = [(0, ""); COUNT];
    let (mut found, mut rest) = (0, LIST.trim_ascii_start());
    while found < COUNT {
        let mut end = 0;
        while !rest.as_bytes()[end].is_ascii_whitespace() {
            end += 1;
        }
        let (name, behind) = rest.split_at(end);
        names[found] = (tag(name.as_bytes()), name);
        rest = behind.trim_ascii_start();
        found += 1;
    }
    names
}

const fn table() -> [u16; PLACES] {
    let mut table = [0; PLACES];
    let mut at = 0;
    while at < COUNT {
        let mut place = place(NAMES[at].0);
        while table[place] != 0 {
            assert!(
                NAMES[table[place] as usize - 1].0 != NAMES[at].0,
                "two names have one tag, or one is there twice: leave one out"
            );
            place = (place + 1) % PLACES;
        }
        at += 1;
        #[expect(clippy::cast_possible_truncation, reason = "there are not so many names")]
        let number = at as u16;
        table[place] = number;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::{NAMES, equal, holds, lists, tag};

    #[test]
    fn the_list_is_sorted() {
        assert!(NAMES.is_sorted_by_key(|(_, name)| *name));
    }

    #[test]
    fn knows_its_names_and_no_others() {
        for (known, name) in NAMES {
            assert!(holds(known, name) && lists(known, name), "{name}");
            let other = format!("{name}2");
            let other_tag = tag(other.as_bytes());
            assert!(!holds(other_tag, &other) && !lists(other_tag, &other), "{other}");
            // Another name that happens to have the tag of one that is known.
            assert!(!holds(known, &other) && !lists(known, &other), "{other}");
        }
        assert!(!equal(b"ab", b"abc") && !equal(b"abc", b"ab") && equal(b"", b""));
    }
}
