//! The table of fields, `fields.tsv`, against what the mapping writes: every field of every document is in it, with the
//! type that it has there, and every field in it is written for one of our fixtures.

mod page;
mod seen;
mod table;
mod types;
