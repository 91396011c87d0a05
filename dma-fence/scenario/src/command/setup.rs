// SPDX-License-Identifier: GPL-2.0-only
//! Commands that set up objects, and the end.

use super::{find, nested, top, Command, ANY};
use crate::{
    call::{signed, Call, Place},
    callback::{CallbackObject, Node, MAX_ACTIONS, MAX_CALLBACKS},
    fence::{FenceKind, Script},
    lock::{LockObject, MAX_LOCKS},
    name::{valid, Kind, SHAPE},
    ops::{self, Recipe},
    outcome::{list, quote, suggestion, Answer, Outcome, Refused},
    session::State,
};
use ::dma_fence::bindings as c;
use std::collections::HashSet;

pub(super) const COMMANDS: &[Command] = &[
    top("context", (0, ANY), "NEW...", context),
    top("lock", (1, 1), "NEW", lock),
    top("fence", (3, ANY), "NEW CONTEXT SEQNO [OPTION...]", fence),
    nested("complete", (1, 2), "FENCE [POLLS]", complete),
    top("callback", (1, ANY), "CALLBACK [COMMAND...]", callback),
    top("end", (0, 0), "nothing", end),
];

fn context(call: &Call<'_>) -> Outcome {
    let mut names = Vec::new();
    let mut seen = HashSet::new();
    for index in 1..call.len() {
        let name = call.new_name(Kind::Context, index)?;
        if !seen.insert(name) {
            return Err(Refused::new(
                index,
                format!("context {name} stands here twice: expected names that differ"),
            ));
        }
        names.push(name);
    }
    let room = call.session.state().names.room();
    if names.len() > room {
        return Err(Refused::new(
            room + 1,
            format!("too many names: expected at most {room} more"),
        ));
    }
    // At most as many as there are words, so the number fits.
    let number = u32::try_from(names.len()).unwrap_or(u32::MAX);
    // SAFETY: May be called by anyone.
    let first = unsafe { c::dma_fence_context_alloc(number) };
    let mut state = call.session.state();
    for (name, context) in names.into_iter().zip(first..) {
        state.names.add(Kind::Context, name, context);
        state.recorder.name_context(context, name);
    }
    Answer::ok()
}

fn lock(call: &Call<'_>) -> Outcome {
    let name = call.new_name(Kind::Lock, 1)?;
    let number = call.session.state().locks.len();
    if number >= MAX_LOCKS {
        return Err(Refused::new(
            1,
            format!("too many locks: expected at most {MAX_LOCKS}"),
        ));
    }
    let lock = LockObject::new();
    let mut state = call.session.state();
    state.locks.push(lock);
    state.names.add(Kind::Lock, name, number as u64);
    Answer::ok()
}

/// The options of the command `fence`.
const OPTIONS: [&str; 9] = [
    "driver",
    "timeline",
    "seqno64",
    "lock",
    "enable_signaling",
    "signaled",
    "wait",
    "release",
    "set_deadline",
];

/// A value that must be a name.
fn name_value(value: &[u8], index: usize) -> Result<&str, Refused> {
    valid(value).ok_or_else(|| {
        Refused::new(
            index,
            format!("not a name behind =: {}; expected {SHAPE}", quote(value)),
        )
    })
}

/// An error that an op sets; as in the kernel, an int, and none if it is 0.
fn error_value(value: &[u8], index: usize) -> Result<Option<i32>, Refused> {
    // CAST: C assigns the number to an int.
    let error = signed(value, index)? as i32;
    Ok((error != 0).then_some(error))
}

/// Reads one option into the recipe and the script of the fence.
fn option<'a>(
    call: &Call<'a>,
    index: usize,
    recipe: &mut Recipe<'a>,
    script: &mut Script,
) -> Result<(), Refused> {
    let word = call.word(index);
    let mut parts = word.splitn(2, |&byte| byte == b'=');
    let name = parts.next().unwrap_or_default();
    let value = parts.next();
    match (name, value) {
        (b"seqno64", None) => recipe.seqno64 = true,
        (b"release", None) => recipe.ops |= ops::RELEASE,
        (b"set_deadline", None) => recipe.ops |= ops::SET_DEADLINE,
        (b"driver", Some(value)) => recipe.driver = name_value(value, index)?,
        (b"timeline", Some(value)) => recipe.timeline = name_value(value, index)?,
        (b"lock", Some(value)) => {
            let number = call.named_word(Kind::Lock, index, value)?;
            let state = call.session.state();
            let lock = usize::try_from(number)
                .ok()
                .and_then(|number| state.locks.get(number));
            recipe.lock = lock.map_or(core::ptr::null_mut(), LockObject::as_ptr);
        }
        (b"enable_signaling", value) => {
            recipe.ops |= ops::ENABLE_SIGNALING;
            match value.unwrap_or_default() {
                b"" | b"true" => (),
                b"false" => script.refuses = true,
                error if error.starts_with(b"-") => {
                    script.refuses = true;
                    script.enable_error = error_value(error, index)?;
                }
                other => {
                    return Err(Refused::new(
                        index,
                        format!(
                            "enable_signaling cannot return {}; expected false or a negative error",
                            quote(other)
                        ),
                    ))
                }
            }
        }
        (b"signaled", value) => {
            recipe.ops |= ops::SIGNALED;
            if let Some(error) = value.filter(|value| !value.is_empty()) {
                script.signaled_error = error_value(error, index)?;
            }
        }
        (b"wait", value) => {
            recipe.ops |= ops::WAIT;
            if let Some(number) = value.filter(|value| !value.is_empty()) {
                script.wait = Some(signed(number, index)?);
            }
        }
        (b"driver" | b"timeline" | b"lock", None) => {
            let option = quote(name);
            let noun = if name == b"lock" { "LOCK" } else { "NAME" };
            return Err(Refused::new(
                index,
                format!("no value for the option {option}; expected {option}={noun}"),
            ));
        }
        (b"seqno64" | b"release" | b"set_deadline", Some(_)) => {
            let option = quote(name);
            return Err(Refused::new(
                index,
                format!(
                    "the option {option} takes no value: {}; expected {option}",
                    quote(word)
                ),
            ));
        }
        _ => {
            return Err(Refused::new(
                index,
                format!(
                    "no such option: {}; expected one of {}{}",
                    quote(word),
                    OPTIONS.join(" "),
                    suggestion(name, OPTIONS.into_iter())
                ),
            ))
        }
    }
    Ok(())
}

fn fence(call: &Call<'_>) -> Outcome {
    let name = call.new_fence_name(1)?;
    let context = call.named(Kind::Context, 2)?;
    let seqno = call.unsigned(3)?;
    let mut recipe = Recipe {
        driver: "oracle",
        timeline: name_value(call.word(2), 2)?,
        seqno64: false,
        lock: core::ptr::null_mut(),
        context,
        seqno,
        ops: 0,
    };
    let mut script = Script::default();
    for index in 4..call.len() {
        option(call, index, &mut recipe, &mut script)?;
    }
    let ptr = ops::alloc()
        .ok_or_else(|| Refused::new(0, "no memory for a fence: expected the host to have some"))?;
    let index = call.add_fence(name, ptr, FenceKind::Scripted(script));
    // SAFETY: The memory is new. Locks live until the replay has ended, and with
    // it all its fences.
    unsafe { ops::init(ptr, index, &recipe) };
    Answer::ok()
}

fn complete(call: &Call<'_>) -> Outcome {
    let fence = call.fence(1)?;
    let polls = if call.len() > 2 { call.unsigned(2)? } else { 0 };
    let attached = fence.has_ops();
    let mut state = call.session.state();
    match state.fences.get_mut(fence.index).map(|o| &mut o.kind) {
        Some(FenceKind::Scripted(script)) if attached => {
            script.complete = true;
            script.polls_left = polls;
            Answer::ok()
        }
        _ => Err(Refused::new(
            1,
            format!(
                "{} has no ops of the scenario; expected a fence made by fence whose ops are \
                 attached",
                quote(call.word(1))
            ),
        )),
    }
}

/// The callback called like word number `index`, which is declared if it is new.
pub(super) fn declare_callback(call: &Call<'_>, index: usize) -> Result<usize, Refused> {
    let known = valid(call.word(index))
        .and_then(|name| call.session.state().names.find(Kind::Callback, name));
    if let Some(number) = known.and_then(|number| usize::try_from(number).ok()) {
        return Ok(number);
    }
    let name = call.new_name(Kind::Callback, index)?;
    let mut state = call.session.state();
    let number = state.callbacks.len();
    if number >= MAX_CALLBACKS {
        return Err(Refused::new(
            index,
            format!("too many callbacks: expected at most {MAX_CALLBACKS}"),
        ));
    }
    state.callbacks.push(CallbackObject {
        node: Node::new(number),
        name: name.to_owned(),
        target: None,
        pending: false,
        actions: Vec::new(),
    });
    state.names.add(Kind::Callback, name, number as u64);
    Ok(number)
}

fn callback(call: &Call<'_>) -> Outcome {
    if call.len() > 2 {
        find(call.statement, 2, Place::Callback)?;
    }
    let number = declare_callback(call, 1)?;
    let mut state = call.session.state();
    if let Some(callback) = state.callbacks.get_mut(number).filter(|_| call.len() > 2) {
        if callback.actions.len() >= MAX_ACTIONS {
            return Err(Refused::new(
                2,
                format!(
                    "too many commands in callback {}: expected at most {MAX_ACTIONS}",
                    callback.name
                ),
            ));
        }
        callback.actions.push(call.statement.tail(2));
    }
    Answer::ok()
}

/// The fences of the scenario that are not destroyed, in order of creation.
fn live_fences(state: &State) -> Vec<&str> {
    state
        .fences
        .iter()
        .filter(|object| !object.gone && object.kind != FenceKind::SharedStub)
        .map(|object| object.name.as_str())
        .collect()
}

fn end(call: &Call<'_>) -> Outcome {
    let state = call.session.state();
    if let Some(thread) = state.threads.iter().find(|thread| !thread.finished) {
        return Err(Refused::new(
            0,
            format!(
                "thread {} is still blocked; expected a signal or an interrupt that ends its wait",
                thread.name
            ),
        ));
    }
    match state.live {
        0 => Answer::text("live 0"),
        live => Answer::text(format!("live {live} {}", list(&live_fences(&state)))),
    }
}
