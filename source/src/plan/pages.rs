//! The pages of one listing.

use std::collections::HashSet;

use crate::url::ApiUrl;

/// More pages than any window has. Reference §7.2.
const MAX_PAGES: usize = 1_000;

/// Which page comes next. The address of a page is never kept beyond the listing: it goes stale.
#[derive(Debug)]
pub(crate) struct Pages {
    current: Option<ApiUrl>,
    seen: HashSet<String>,
}

/// What a page's answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PageStep {
    /// There is one more page.
    Follow,
    /// That was the last page.
    Complete,
    /// The listing leads back to a page that was read already, or has no end.
    Endless(usize),
}

impl Pages {
    pub(crate) fn new(first: ApiUrl) -> Self {
        Self {
            seen: HashSet::from([first.to_string()]),
            current: Some(first),
        }
    }

    /// The page to ask for, if there is one more.
    pub(crate) fn current(&self) -> Option<&ApiUrl> {
        self.current.as_ref()
    }

    /// The current page was read and named `next`.
    pub(crate) fn step(&mut self, next: Option<ApiUrl>) -> PageStep {
        self.current = None;
        let Some(next) = next else {
            return PageStep::Complete;
        };
        if self.seen.len() >= MAX_PAGES || !self.seen.insert(next.to_string()) {
            return PageStep::Endless(self.seen.len());
        }
        self.current = Some(next);
        PageStep::Follow
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::url::ApiBase;

    fn page(number: usize) -> ApiUrl {
        let tenant = "41463f53-8812-40f4-890f-865bf6e35190".parse().unwrap();
        let base = ApiBase::new(
            &Url::parse("https://manage.office.com").unwrap(),
            tenant,
            "p".to_owned(),
        );
        base.operation("subscriptions/content", &[("nextPage", &number.to_string())])
    }

    #[test]
    fn ends_with_the_page_that_names_no_other() {
        let mut pages = Pages::new(page(1));
        assert_eq!(pages.step(Some(page(2))), PageStep::Follow);
        assert_eq!(pages.current(), Some(&page(2)));
        assert_eq!(pages.step(None), PageStep::Complete);
        assert_eq!(pages.current(), None);
    }

    #[test]
    fn notices_circles_and_endless_chains() {
        let mut pages = Pages::new(page(1));
        assert_eq!(pages.step(Some(page(2))), PageStep::Follow);
        assert_eq!(pages.step(Some(page(1))), PageStep::Endless(2));

        let mut pages = Pages::new(page(0));
        let follows = (1..).take_while(|number| pages.step(Some(page(*number))) == PageStep::Follow);
        assert_eq!(follows.count(), MAX_PAGES - 1);
    }
}
