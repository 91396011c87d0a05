// SPDX-License-Identifier: GPL-2.0-only

//! Initialisers of structures, in the syntax common to Linux 7.3 and pinned-init.
//!
//! Linux 7.3's pin-init is newer than the published pinned-init that does the
//! work here. The input is read with the grammar of Linux 7.3; what pinned-init
//! cannot do is refused by name, and so is what it would silently do
//! differently (see the module `shadowing`).

use crate::{refuse, shadowing};
use proc_macro2::{Delimiter, Group, TokenStream};
use quote::{quote, quote_spanned, ToTokens};
use syn::{
    braced,
    parse::{End, Parse, ParseStream},
    parse_quote,
    punctuated::Punctuated,
    spanned::Spanned,
    token, Attribute, Block, Expr, GenericArgument, Ident, Path, PathArguments, Result, Token,
    Type,
};

/// The arguments of `init!` or `pin_init!`.
pub(crate) struct Initializer {
    this: Option<Ident>,
    path: Path,
    fields: Vec<Field>,
    rest: Option<Expr>,
    error: Type,
}

/// One field and what it is initialised with.
pub(crate) struct Field {
    /// The field's name. In Linux 7.3 later initialisers see the field as a variable of it.
    pub(crate) name: Ident,
    /// `:` or `<-`, if there is a value.
    sign: TokenStream,
    /// The value or initialiser; none where the field's name is its value.
    pub(crate) value: Option<Expr>,
}

impl Parse for Field {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if let Some(attr) = input.call(Attribute::parse_outer)?.first() {
            return refuse(
                attr,
                "attributes on initialised fields exist in Linux 7.3 only; \
                 choose the value by an expression instead",
            );
        }
        let ahead = input.lookahead1();
        if let Some(underscore) = input.parse::<Option<Token![_]>>()? {
            input.parse::<Token![:]>()?;
            input.parse::<Block>()?;
            return refuse(
                underscore,
                "`_: { .. }` exists in Linux 7.3 only; use `.pin_chain()` instead",
            );
        }
        if !ahead.peek(Ident) {
            return Err(ahead.error());
        }
        let name = input.parse()?;
        let ahead = input.lookahead1();
        let (sign, value) = if ahead.peek(Token![<-]) {
            input.parse::<Token![<-]>()?;
            (quote!(<-), Some(input.parse()?))
        } else if ahead.peek(Token![:]) {
            input.parse::<Token![:]>()?;
            (quote!(:), Some(input.parse()?))
        } else if ahead.peek(Token![,]) || ahead.peek(End) {
            (TokenStream::new(), None)
        } else {
            return Err(ahead.error());
        };
        Ok(Field { name, sign, value })
    }
}

impl ToTokens for Field {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Field { name, sign, value } = self;
        let value = value.as_ref().map(|value| match sign.to_string().as_str() {
            "<-" => quote_spanned!(value.span()=> ::pin_init::__internal::InField::new(#value)),
            _ => quote!(#value),
        });
        // One token: pinned-init's macro recurses for each, and the compiler allows 128.
        let value = value.map(|value| Group::new(Delimiter::Brace, value));
        tokens.extend(quote!(#name #sign #value));
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

/// A name, with types as arguments after a turbofish: what 7.3 and pinned-init both accept.
fn check_path(path: &Path) -> Result<()> {
    if path.leading_colon.is_some() || path.segments.len() != 1 {
        return refuse(
            path,
            "a path as the type exists in Linux 7.3 only; import the type and write its name",
        );
    }
    if let PathArguments::AngleBracketed(arguments) = &path.segments[0].arguments {
        if arguments.colon2_token.is_none() {
            return refuse(arguments, "expected `::<` before the arguments");
        }
        let mut arguments = arguments.args.iter();
        if let Some(other) = arguments.find(|arg| !matches!(arg, GenericArgument::Type(_))) {
            return refuse(
                other,
                "an argument that is no type exists in Linux 7.3 only; leave the arguments out",
            );
        }
    }
    Ok(())
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
        let path: Path = input.parse()?;
        check_path(&path)?;

        let body;
        let _: token::Brace = braced!(body in input);
        let mut fields = Vec::new();
        while !body.is_empty() && !body.peek(Token![..]) {
            fields.push(body.parse()?);
            if body.is_empty() {
                break;
            }
            body.parse::<Token![,]>()?;
        }
        let rest = body.parse::<Option<Token![..]>>()?;
        let rest = rest.map(|_| body.parse()).transpose()?;
        if let Some(rest) = &rest {
            check_rest(rest)?;
        }
        if !body.is_empty() {
            return Err(body.error("expected `}`"));
        }
        let error = input.parse::<Option<Token![?]>>()?;
        let error = error.map(|_| input.parse()).transpose()?.or(default_error);
        let error = error.unwrap_or_else(|| parse_quote!(::core::convert::Infallible));
        Ok(Initializer {
            this,
            path,
            fields,
            rest,
            error,
        })
    }
}

/// Hands the initialiser to pinned-init's macro `target`.
pub(crate) fn expand(initializer: Initializer, target: &TokenStream) -> Result<TokenStream> {
    let Initializer {
        this,
        path,
        fields,
        rest,
        error,
    } = initializer;
    shadowing::check(&fields)?;

    let names: Vec<_> = fields.iter().map(|field| &field.name).collect();
    // As in Linux 7.3, which refers to what is initialised: a field of a packed structure, which
    // need not be aligned, is refused. It would be written unaligned.
    let aligned = quote!(|slot| {
        let _ = (#(&slot.#names,)*);
    });
    let this = this.map(|this| quote!(&#this in));
    let fields: Punctuated<Field, Token![,]> = fields.into_iter().collect();
    let fields = match rest {
        Some(rest) if fields.is_empty() => quote!(..#rest),
        Some(rest) => quote!(#fields, ..#rest),
        None => quote!(#fields),
    };
    Ok(quote!({
        #[inline(always)]
        fn aligned<T, E, I: ::pinned_init::PinInit<T, E>>(init: I, _: impl FnOnce(&T)) -> I {
            init
        }
        aligned(::pinned_init::#target! { #this #path { #fields } ? #error }, #aligned)
    }))
}
