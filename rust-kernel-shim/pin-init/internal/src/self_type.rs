// SPDX-License-Identifier: GPL-2.0-only

//! `Self` in what is taken out of a structure's definition.

use syn::{
    parse_quote,
    visit_mut::{self, VisitMut},
    Expr, Generics, Ident, Item, Path, QSelf, Token, Type,
};

/// Puts a type in the place of `Self`.
pub(crate) struct SelfType(Type);

impl SelfType {
    /// The type of a structure of that name.
    pub(crate) fn new(name: &Ident, generics: &Generics) -> Self {
        let (_, arguments, _) = generics.split_for_impl();
        Self(parse_quote!(#name #arguments))
    }

    /// `Self::Item` becomes `<Type>::Item`.
    fn qualify(&self, qself: &mut Option<QSelf>, path: &mut Path) {
        if qself.is_some() || path.segments.len() < 2 || path.segments[0].ident != "Self" {
            return;
        }
        *qself = Some(QSelf {
            lt_token: Token![<](path.segments[0].ident.span()),
            ty: Box::new(self.0.clone()),
            position: 0,
            as_token: None,
            gt_token: Token![>](path.segments[0].ident.span()),
        });
        path.segments = path.segments.iter().skip(1).cloned().collect();
        path.leading_colon = Some(Token![::](path.segments[0].ident.span()));
    }
}

impl VisitMut for SelfType {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        if let Type::Path(path) = ty {
            if path.qself.is_none() && path.path.is_ident("Self") {
                *ty = self.0.clone();
                return;
            }
            self.qualify(&mut path.qself, &mut path.path);
        }
        visit_mut::visit_type_mut(self, ty);
    }

    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        if let Expr::Path(path) = expr {
            self.qualify(&mut path.qself, &mut path.path);
        }
        visit_mut::visit_expr_mut(self, expr);
    }

    /// An item has a `Self` of its own.
    fn visit_item_mut(&mut self, _: &mut Item) {}
}
