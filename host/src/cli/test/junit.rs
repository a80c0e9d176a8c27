//! The result for a CI server, in the XML of `JUnit`.

use std::path::Path;

use anyhow::Context;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::super::Failed;

/// A suite of cases, each with what is wrong with it, if anything is.
pub(super) fn suite(name: &str, cases: impl Iterator<Item = (String, Option<String>)>) -> TestSuite {
    let mut suite = TestSuite::new(name.to_owned());
    for (case, wrong) in cases {
        let status = match wrong {
            None => TestCaseStatus::success(),
            Some(wrong) => {
                let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                status.set_message("not as expected");
                status.set_description(wrong);
                status
            }
        };
        let mut case = TestCase::new(case, status);
        case.set_classname(name.to_owned());
        suite.add_test_case(case);
    }
    suite
}

/// Writes the file.
pub(super) fn write(path: &Path, suites: Vec<TestSuite>) -> Result<(), Failed> {
    let mut junit = Report::new("o365-host test");
    for suite in suites {
        junit.add_test_suite(suite);
    }
    let text = junit.to_string().context("writing JUnit XML failed")?;
    std::fs::write(path, text)
        .with_context(|| format!("--junit {}: the file cannot be written", path.display()))?;
    Ok(())
}
