// SPDX-License-Identifier: GPL-2.0-only

//! The grammar of `init!` and `pin_init!`.
//!
//! ```text
//! #[default_error(TYPE)]  &this in  PATH { STEP, STEP, ..Zeroable::init_zeroed() }  ? TYPE
//! ```
//!
//! A step is `name: VALUE`, `name`, `name <- INITIALISER` or `_: { CODE }`, with attributes before it.

use crate::refuse;
use quote::ToTokens;
use syn::{
    braced,
    parse::{End, Parse, ParseStream},
    parse_quote, token, Attribute, Block, Expr, Ident, Path, Result, Token, Type,
};

/// The arguments of `init!` or `pin_init!`.
pub(crate) struct Initializer {
    /// The name of the pointer to what is initialised.
    pub(crate) this: Option<Ident>,
    /// The structure.
    pub(crate) path: Path,
    pub(crate) steps: Vec<Step>,
    /// Whether what is not mentioned is zero.
    pub(crate) zeroed: bool,
    pub(crate) error: Type,
}

/// One thing that an initialiser does.
pub(crate) struct Step {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) action: Action,
}

pub(crate) enum Action {
    /// `name: value`, or `name` alone.
    Value(Ident, Expr),
    /// `name <- initialiser`.
    Init(Ident, Expr),
    /// `_: { code }`.
    Code(Block),
}

impl Step {
    /// The field that is initialised, if one is.
    pub(crate) fn field(&self) -> Option<&Ident> {
        match &self.action {
            Action::Value(name, _) | Action::Init(name, _) => Some(name),
            Action::Code(_) => None,
        }
    }
}

impl Parse for Step {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let ahead = input.lookahead1();
        if ahead.peek(Token![_]) {
            input.parse::<Token![_]>()?;
            input.parse::<Token![:]>()?;
            let action = Action::Code(input.parse()?);
            return Ok(Self { attrs, action });
        }
        if !ahead.peek(Ident) {
            return Err(ahead.error());
        }
        let name: Ident = input.parse()?;
        let ahead = input.lookahead1();
        let action = if ahead.peek(Token![<-]) {
            input.parse::<Token![<-]>()?;
            Action::Init(name, input.parse()?)
        } else if ahead.peek(Token![:]) {
            input.parse::<Token![:]>()?;
            Action::Value(name, input.parse()?)
        } else if ahead.peek(Token![,]) || ahead.peek(End) {
            let value = parse_quote!(#name);
            Action::Value(name, value)
        } else {
            return Err(ahead.error());
        };
        Ok(Self { attrs, action })
    }
}

/// Reads `#[default_error(Type)]`, which the kernel's own macros put in front.
fn default_error(attrs: Vec<Attribute>) -> Result<Option<Type>> {
    let mut found = None;
    for attr in attrs {
        if !attr.path().is_ident("default_error") {
            return refuse(attr, "unknown attribute of an initialiser");
        }
        found = Some(attr.parse_args()?);
    }
    Ok(found)
}

/// `Zeroable::init_zeroed()`, spelt so.
fn check_rest(rest: &Expr) -> Result<()> {
    let spelling = rest.to_token_stream().to_string();
    if spelling.replace(' ', "") == "Zeroable::init_zeroed()" {
        return Ok(());
    }
    refuse(rest, "expected nothing or `..Zeroable::init_zeroed()`")
}

impl Parse for Initializer {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let default_error = default_error(input.call(Attribute::parse_outer)?)?;
        let this = input.parse::<Option<Token![&]>>()?.map(|_| {
            let this = input.parse()?;
            input.parse::<Token![in]>().map(|_| this)
        });
        let this = this.transpose()?;
        let path = input.parse()?;

        let body;
        let _: token::Brace = braced!(body in input);
        let mut steps = Vec::new();
        while !body.is_empty() && !body.peek(Token![..]) {
            steps.push(body.parse()?);
            if body.is_empty() {
                break;
            }
            body.parse::<Token![,]>()?;
        }
        let rest = body.parse::<Option<Token![..]>>()?;
        let rest: Option<Expr> = rest.map(|_| body.parse()).transpose()?;
        rest.as_ref().map(check_rest).transpose()?;
        if !body.is_empty() {
            return Err(body.error("expected `}`"));
        }
        let error = input.parse::<Option<Token![?]>>()?;
        let error = error.map(|_| input.parse()).transpose()?.or(default_error);
        Ok(Self {
            this,
            path,
            steps,
            zeroed: rest.is_some(),
            error: error.unwrap_or_else(|| parse_quote!(::core::convert::Infallible)),
        })
    }
}
