// SPDX-License-Identifier: GPL-2.0-only
//! Shapes of functions and members, to compare.

use super::{here::Here, linux::Linux};
use quote::ToTokens;
use syn::{FnArg, ReturnType, Signature, Type};

/// How deep aliases are followed.
const DEPTH: u32 = 8;

/// Types in words that are the same for bindgen and here.
pub(super) struct Shapes<'a> {
    pub(super) linux: &'a Linux,
    pub(super) here: &'a Here,
}

impl Shapes<'_> {
    /// A type in words that are the same on both sides.
    pub(super) fn kind(&self, kind: &Type) -> String {
        self.deep(kind, DEPTH)
    }

    fn deep(&self, kind: &Type, depth: u32) -> String {
        match kind {
            Type::Ptr(pointer) => {
                let word = if pointer.mutability.is_some() {
                    "*mut "
                } else {
                    "*const "
                };
                word.to_owned() + &self.deep(&pointer.elem, depth)
            }
            Type::Never(_) => "!".to_owned(),
            Type::BareFn(function) => {
                let inputs: Vec<_> = function
                    .inputs
                    .iter()
                    .map(|input| self.deep(&input.ty, depth))
                    .collect();
                format!(
                    "fn({}){}",
                    inputs.join(", "),
                    self.output(&function.output, depth)
                )
            }
            Type::Path(path) => {
                let Some(segment) = path.path.segments.last() else {
                    return String::new();
                };
                let name = segment.ident.to_string();
                if let syn::PathArguments::AngleBracketed(list) = &segment.arguments {
                    let inner = list.args.iter().map(|argument| match argument {
                        syn::GenericArgument::Type(kind) => self.deep(kind, depth),
                        other => other.to_token_stream().to_string(),
                    });
                    return format!("{name}<{}>", inner.collect::<Vec<_>>().join(", "));
                }
                match name.as_str() {
                    "c_char" => return "u8".to_owned(),
                    "c_int" => return "i32".to_owned(),
                    "c_uint" => return "u32".to_owned(),
                    "c_long" => return "isize".to_owned(),
                    "c_ulong" => return "usize".to_owned(),
                    "c_longlong" => return "i64".to_owned(),
                    "c_ulonglong" => return "u64".to_owned(),
                    _ if self.here.structures.contains_key(&name) => return name,
                    _ => {}
                }
                let alias = self
                    .linux
                    .alias(&name)
                    .or_else(|| self.here.aliases.get(&name).cloned());
                match alias.filter(|_| depth > 0) {
                    Some(kind) => self.deep(&kind, depth - 1),
                    None => name,
                }
            }
            other => other.to_token_stream().to_string().replace(' ', ""),
        }
    }

    fn output(&self, output: &ReturnType, depth: u32) -> String {
        match output {
            ReturnType::Default => String::new(),
            ReturnType::Type(_, kind) => format!(" -> {}", self.deep(kind, depth)),
        }
    }

    pub(super) fn function(&self, signature: &Signature) -> String {
        let inputs = signature.inputs.iter().map(|input| match input {
            FnArg::Typed(input) => self.kind(&input.ty),
            FnArg::Receiver(_) => "self".to_owned(),
        });
        format!(
            "({}){}",
            inputs.collect::<Vec<_>>().join(", "),
            self.output(&signature.output, DEPTH)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_what_it_stands_for() {
        let linux = Linux("pub type ktime_t = s64 ; pub type s64 = ffi :: c_longlong;".to_owned());
        let here = Here::default();
        let shapes = Shapes {
            linux: &linux,
            here: &here,
        };
        let kind = |text| shapes.kind(&syn::parse_str(text).unwrap());
        assert_eq!(kind("*mut ktime_t"), "*mut i64");
        assert_eq!(kind("ffi::c_int"), kind("i32"));
        assert_ne!(kind("*mut ktime_t"), kind("*const ktime_t"));
    }
}
