// SPDX-License-Identifier: GPL-2.0-only
//! A kernel, by the text of its bindings.

use syn::{ItemStruct, ItemType, Signature, Type};

/// What bindgen has made for a kernel, and its `rust/helpers/*.c`, for which that may be missing. Only
/// what is asked for is parsed: it is long.
pub(super) struct Linux(pub(super) String);

impl Linux {
    /// The text behind `pub WORD NAME`.
    fn behind(&self, word: &str, name: &str) -> Option<&str> {
        let ends = |text: &str| text.trim_end().ends_with(&format!("pub {word}"));
        let next = |text: &str| text.starts_with(|c: char| c == '_' || c.is_alphanumeric());
        let mut all = self.0.match_indices(name);
        let at = all.find(|(at, _)| {
            let from = (at - 30.min(*at)..=*at).find(|&from| self.0.is_char_boundary(from));
            ends(&self.0[from.unwrap_or(*at)..*at]) && !next(&self.0[at + name.len()..])
        })?;
        Some(&self.0[at.0 + name.len()..])
    }

    pub(super) fn function(&self, name: &str) -> Option<Signature> {
        let text = self.behind("fn", name)?;
        let text = format!("fn {name}{} {{}}", &text[..text.find(';')?]);
        Some(syn::parse_str::<syn::ItemFn>(&text).ok()?.sig)
    }

    pub(super) fn structure(&self, name: &str) -> Option<ItemStruct> {
        let text = self.behind("struct", name)?;
        let mut depth = 0;
        let end = text.char_indices().find(|(_, c)| {
            depth += i32::from(*c == '{') - i32::from(*c == '}');
            depth == 0 && matches!(c, '}' | ';')
        })?;
        syn::parse_str(&format!("struct {name}{}", &text[..=end.0])).ok()
    }

    pub(super) fn alias(&self, name: &str) -> Option<Type> {
        let text = self.behind("type", name)?;
        let text = format!("type {name}{};", &text[..text.find(';')?]);
        Some(*syn::parse_str::<ItemType>(&text).ok()?.ty)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        ["fn", "struct", "type", "const", "static", "union"]
            .iter()
            .any(|word| self.behind(word, name).is_some())
            || self.0.contains(&format!("rust_helper_{name}("))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::ToTokens as _;

    #[test]
    fn a_name_is_found_as_a_whole() {
        let linux = Linux(
            "pub fn dma_fence_init64 (a : u64) ; pub fn dma_fence_init\n(a: u32) -> u8;".to_owned(),
        );
        let found = linux.function("dma_fence_init").unwrap();
        assert_eq!(found.inputs.to_token_stream().to_string(), "a : u32");
        assert!(linux.function("dma_fence").is_none() && !linux.has("init64"));
    }
}
