//! The table of fields, `fields.tsv`, against what the mapping writes: every field of every document is in it, with the
//! type that it has there, and every field in it is written for one of our fixtures.

#[expect(dead_code, reason = "nothing is compared as a whole here")]
#[path = "../common/mod.rs"]
mod common;
#[path = "../common/corpus.rs"]
mod corpus;
#[expect(
    dead_code,
    reason = "documents are made with more than the default options here"
)]
#[path = "../common/own.rs"]
mod own;
mod page;
mod seen;
mod table;
mod types;
