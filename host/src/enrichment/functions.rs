//! `get_enrichment_table_record` and `find_enrichment_table_records`, with Vector's arguments.
//!
//! Tables and columns are known when a program is compiled. A name that does not exist is an error of the program then,
//! and the columns that its condition compares get an index.

use std::{fmt, sync::Arc};

use vrl::{
    compiler::{
        Context, Expression, Function, FunctionExpression, Parameter, Resolved, TypeDef, TypeState,
        expression::{Container, Expr, Variant},
        function::{ArgumentList, Compiled, Example, FunctionCompileContext},
        value::kind,
    },
    diagnostic::{DiagnosticMessage, Label, Span},
    value::{KeyString, ObjectMap, Value, kind::Collection},
};

use super::{
    Content, Entry, Table, Tables,
    rows::{Case, IndexKey, Search, Wanted, no_column},
};

/// The functions, for programs that are compiled with [`Tables`].
pub fn functions() -> Vec<Box<dyn Function>> {
    vec![
        Box::new(Lookup {
            what: What::OneRecord,
        }),
        Box::new(Lookup { what: What::Records }),
    ]
}

const PARAMETERS: &[Parameter] = &[
    Parameter::required("table", kind::BYTES, "The enrichment table to search."),
    Parameter::required(
        "condition",
        kind::OBJECT,
        "What columns have to hold: a value, or `from` and `to` of a range of times.",
    ),
    Parameter::optional("select", kind::ARRAY, "The columns to return. Default: all."),
    Parameter::optional(
        "case_sensitive",
        kind::BOOLEAN,
        "Whether upper and lower case differ. Default: true.",
    ),
    Parameter::optional(
        "wildcard",
        kind::BYTES,
        "What stands in a column for everything, used when no row holds the value itself.",
    ),
];

/// What a function returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// The only record; none and several are errors.
    OneRecord,
    /// All records.
    Records,
}

#[derive(Debug, Clone, Copy)]
struct Lookup {
    what: What,
}

impl Function for Lookup {
    fn identifier(&self) -> &'static str {
        match self.what {
            What::OneRecord => "get_enrichment_table_record",
            What::Records => "find_enrichment_table_records",
        }
    }

    fn usage(&self) -> &'static str {
        match self.what {
            What::OneRecord => "Returns the one record of an enrichment table that fits the condition.",
            What::Records => "Returns the records of an enrichment table that fit the condition.",
        }
    }

    fn category(&self) -> &'static str {
        "Enrichment"
    }

    fn return_kind(&self) -> u16 {
        match self.what {
            What::OneRecord => kind::OBJECT,
            What::Records => kind::ARRAY,
        }
    }

    fn parameters(&self) -> &'static [Parameter] {
        PARAMETERS
    }

    fn examples(&self) -> &'static [Example] {
        &[]
    }

    fn compile(
        &self,
        state: &TypeState,
        ctx: &mut FunctionCompileContext,
        arguments: ArgumentList,
    ) -> Compiled {
        let name = text(&arguments.required_literal("table", state)?);
        let tables = ctx
            .get_external_context::<Arc<Tables>>()
            .cloned()
            .unwrap_or_default();
        let table = match tables.get(&name) {
            Some(Entry::Ready(table)) => Some(table),
            Some(Entry::Unreadable) => None,
            None => return Err(Mistake::new(no_table(&name, &tables))),
        };
        let mut call = Call {
            what: self.what,
            table: table.cloned(),
            index: None,
            case: match arguments.optional_literal("case_sensitive", state)? {
                Some(Value::Boolean(false)) => Case::Insensitive,
                _ => Case::Sensitive,
            },
            terms: arguments
                .required_object("condition")?
                .into_iter()
                .map(|(column, wanted)| (column, Term::of(wanted)))
                .collect(),
            select: arguments.optional("select"),
            wildcard: arguments.optional("wildcard"),
        };
        if let Some(table) = table {
            let selected = call
                .select
                .as_ref()
                .and_then(|select| select.resolve_constant(state));
            call.index = prepare(table, &call, selected.as_ref()).map_err(Mistake::new)?;
        }
        Ok(call.as_expr())
    }
}

/// Checks names against the table, and makes the index; none if nothing is compared.
fn prepare(table: &Table, call: &Call, selected: Option<&Value>) -> Result<Option<usize>, String> {
    let of_table = |what: String| format!("enrichment table `{}`: {what}", table.name());
    match &*table.content() {
        Content::Networks(_) => match call.terms.as_slice() {
            [(_, Term::Value(_))] => Ok(None),
            _ => Err(of_table(
                "a database of networks is searched by one condition, the address: `{ \"ip\": .source.ip }`"
                    .to_owned(),
            )),
        },
        Content::Rows(rows) => {
            let names = call.terms.iter().map(|(column, _)| column.to_string());
            let selected = selected.and_then(Value::as_array).into_iter().flatten().map(text);
            for name in names.chain(selected) {
                if rows.columns().iter().all(|column| column.as_str() != name) {
                    return Err(of_table(no_column(&name, rows.columns())));
                }
            }
            let compared = call
                .terms
                .iter()
                .filter(|(_, term)| matches!(term, Term::Value(_)));
            let columns: Vec<_> = compared.map(|(column, _)| column.clone()).collect();
            if columns.is_empty() {
                return Ok(None);
            }
            let key = IndexKey {
                case: call.case,
                columns,
            };
            table.index(key).map(Some).map_err(of_table)
        }
    }
}

fn no_table(name: &str, tables: &Tables) -> String {
    let names: Vec<_> = tables.names().map(|name| format!("`{name}`")).collect();
    if names.is_empty() {
        format!("there is no enrichment table `{name}`: none is configured below `enrichment_tables`")
    } else {
        format!(
            "there is no enrichment table `{name}`, the tables are {}",
            names.join(", ")
        )
    }
}

fn text(value: &Value) -> String {
    value.as_bytes().map_or_else(
        || value.to_string(),
        |bytes| String::from_utf8_lossy(bytes).into_owned(),
    )
}

/// Something that is wrong with a call.
#[derive(Debug)]
struct Mistake(String);

impl Mistake {
    #[allow(clippy::new_ret_no_self, reason = "the compiler wants it boxed")]
    fn new(what: String) -> Box<dyn DiagnosticMessage> {
        Box::new(Self(what))
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Mistake {}

impl DiagnosticMessage for Mistake {
    /// Vector's code for errors of enrichment tables.
    fn code(&self) -> usize {
        111
    }

    /// The compiler puts the call's place in.
    fn labels(&self) -> Vec<Label> {
        vec![Label::primary(&self.0, Span::default())]
    }
}

/// What a program says of one column.
#[derive(Debug, Clone)]
enum Term {
    Value(Box<Expr>),
    Between {
        from: Option<Box<Expr>>,
        to: Option<Box<Expr>>,
    },
}

impl Term {
    fn of(wanted: Expr) -> Self {
        if let Expr::Container(Container {
            variant: Variant::Object(object),
        }) = &wanted
        {
            let end = |name| object.get(name).cloned().map(Box::new);
            let (from, to) = (end("from"), end("to"));
            if from.is_some() || to.is_some() {
                return Self::Between { from, to };
            }
        }
        Self::Value(Box::new(wanted))
    }

    fn resolve(&self, ctx: &mut Context<'_>) -> Result<Wanted, vrl::compiler::ExpressionError> {
        match self {
            Self::Value(wanted) => match wanted.resolve(ctx)? {
                // A range that shows only now. It is not what the index was made for.
                Value::Object(range) if range.contains_key("from") || range.contains_key("to") => {
                    let end = |name: &'static str| range.get(name).map(|value| time(name, value)).transpose();
                    Ok(Wanted::Between {
                        from: end("from")?,
                        to: end("to")?,
                    })
                }
                value => Ok(Wanted::Equal(value)),
            },
            Self::Between { from, to } => {
                let mut end = |name: &'static str, end: &Option<Box<Expr>>| {
                    let value = end.as_ref().map(|end| end.resolve(ctx)).transpose()?;
                    value.map(|value| time(name, &value)).transpose()
                };
                Ok(Wanted::Between {
                    from: end("from", from)?,
                    to: end("to", to)?,
                })
            }
        }
    }
}

fn time(end: &str, value: &Value) -> Result<chrono::DateTime<chrono::Utc>, vrl::compiler::ExpressionError> {
    value.as_timestamp().copied().ok_or_else(|| {
        format!(
            "`{end}` in the condition must be a timestamp, found {}",
            value.kind_str()
        )
        .into()
    })
}

#[derive(Debug, Clone)]
struct Call {
    what: What,
    /// `None` if it could not be read: the program will not run.
    table: Option<Arc<Table>>,
    index: Option<usize>,
    case: Case,
    terms: Vec<(KeyString, Term)>,
    select: Option<Box<dyn Expression>>,
    wildcard: Option<Box<dyn Expression>>,
}

impl Call {
    fn search(&self, ctx: &mut Context<'_>) -> Result<Vec<ObjectMap>, vrl::compiler::ExpressionError> {
        let Some(table) = &self.table else {
            return Err("the enrichment table could not be read".into());
        };
        let mut as_prepared = true;
        let mut terms = Vec::with_capacity(self.terms.len());
        for (column, term) in &self.terms {
            let wanted = term.resolve(ctx)?;
            as_prepared &= matches!(term, Term::Value(_)) == matches!(wanted, Wanted::Equal(_));
            terms.push((column.clone(), wanted));
        }
        let select = self
            .select
            .as_ref()
            .map(|select| select.resolve(ctx))
            .transpose()?;
        let select = match &select {
            Some(Value::Array(names)) => Some(names.iter().map(text).collect::<Vec<_>>()),
            _ => None,
        };
        let wildcard = self
            .wildcard
            .as_ref()
            .map(|wildcard| wildcard.resolve(ctx))
            .transpose()?;
        let search = Search {
            case: self.case,
            terms: &terms,
            index: self.index.filter(|_| as_prepared),
            wildcard: wildcard.as_ref(),
            select: select.as_deref(),
            limit: match self.what {
                // The second one shows that it is not the only one.
                What::OneRecord => 2,
                What::Records => usize::MAX,
            },
        };
        table
            .search(&search)
            .map_err(|what| format!("enrichment table `{}`: {what}", table.name()).into())
    }
}

impl FunctionExpression for Call {
    fn resolve(&self, ctx: &mut Context<'_>) -> Resolved {
        let mut found = self.search(ctx)?;
        match self.what {
            What::Records => Ok(Value::Array(found.into_iter().map(Value::Object).collect())),
            What::OneRecord => match (found.pop(), found.is_empty()) {
                (Some(record), true) => Ok(Value::Object(record)),
                (Some(_), false) => Err("more than one row found".into()),
                (None, _) => Err("no rows found".into()),
            },
        }
    }

    fn type_def(&self, _: &TypeState) -> TypeDef {
        match self.what {
            What::OneRecord => TypeDef::object(Collection::any()).fallible(),
            What::Records => TypeDef::array(Collection::from_unknown(vrl::value::Kind::object(
                Collection::any(),
            )))
            .fallible(),
        }
    }
}
