// SPDX-License-Identifier: GPL-2.0-only
//! Commands that set up objects, and the end.

use super::{keeps, nested, top, Command, ANY};
use crate::{
    call::Call,
    name::{valid, Kind, MAX_NAMES, SHAPE},
    ops::{self, Recipe},
    outcome::{limit, list, quote, refuse, refused, Answer, Outcome, Refused},
    session::Place,
    world::{
        callback::MAX_ACTIONS,
        fence::{FenceKind, Script},
    },
};
use ::dma_fence::bindings as c;
use kernel::bindings::spinlock_t;
use std::sync::Arc;

pub(crate) const COMMANDS: &[Command] = &[
    top("context", (0, ANY), "NEW...", context),
    top("lock", (1, 1), "NEW", lock),
    top("fence", (3, ANY), "NEW CONTEXT SEQNO [OPTION...]", fence),
    nested("complete", (1, 2), "FENCE [POLLS]", complete),
    keeps(
        Place::Callback,
        top("callback", (1, ANY), "CALLBACK [COMMAND...]", callback),
    ),
    top("end", (0, 0), "nothing", end),
];

fn context(call: &Call<'_>) -> Outcome {
    let mut names = Vec::new();
    for index in 1..call.len() {
        let name = call.new_name(Kind::Context, index)?;
        if names.contains(&name) {
            refuse!(
                index,
                "context {name} stands here twice: expected names that differ"
            );
        }
        names.push(name);
    }
    let left = MAX_NAMES - call.world().names.len();
    if names.len() > left {
        refuse!(left + 1, "too many names: expected at most {left} more");
    }
    // At most as many as there are words, so the number fits.
    // SAFETY: Any number of contexts may be asked for.
    let first = unsafe { c::dma_fence_context_alloc(names.len() as u32) };
    let mut world = call.world();
    for (name, context) in names.into_iter().zip(first..) {
        let place = world.contexts.len();
        world.contexts.push(context);
        world.names.add(Kind::Context, name, place);
        world.recorder.name_context(context, name);
    }
    Answer::ok()
}

fn lock(call: &Call<'_>) -> Outcome {
    const MAX_LOCKS: usize = 8;
    let name = call.new_name(Kind::Lock, 1)?;
    let mut world = call.world();
    let place = world.locks.len();
    limit(1, "locks", place, MAX_LOCKS)?;
    world.locks.push(Arc::new(spinlock_t::new()));
    world.names.add(Kind::Lock, name, place);
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
        refused!(
            index,
            "not a name behind =: {}; expected {SHAPE}",
            quote(value)
        )
    })
}

/// An error that an op sets; as in the kernel, an int, and none if it is 0.
fn error_value(call: &Call<'_>, value: &[u8], index: usize) -> Result<Option<i32>, Refused> {
    // CAST: C assigns the number to an int.
    let error = call.signed_word(index, value)? as i32;
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
    let option = quote(name);
    match (name, value) {
        (b"seqno64", None) => recipe.seqno64 = true,
        (b"release", None) => recipe.ops |= ops::RELEASE,
        (b"set_deadline", None) => recipe.ops |= ops::SET_DEADLINE,
        (b"driver", Some(value)) => recipe.driver = name_value(value, index)?,
        (b"timeline", Some(value)) => recipe.timeline = name_value(value, index)?,
        (b"lock", Some(value)) => {
            let place = call.named_word(Kind::Lock, index, value)?;
            recipe.lock = Arc::as_ptr(&call.world().locks[place]).cast_mut();
        }
        (b"enable_signaling", value) => {
            recipe.ops |= ops::ENABLE_SIGNALING;
            match value.unwrap_or_default() {
                b"" | b"true" => (),
                b"false" => script.refuses = true,
                error if error.starts_with(b"-") => {
                    script.refuses = true;
                    script.enable_error = error_value(call, error, index)?;
                }
                other => {
                    refuse!(
                        index,
                        "enable_signaling cannot return {}; expected false or a negative error",
                        quote(other)
                    )
                }
            }
        }
        (b"signaled", value) => {
            recipe.ops |= ops::SIGNALED;
            if let Some(error) = value.filter(|value| !value.is_empty()) {
                script.signaled_error = error_value(call, error, index)?;
            }
        }
        (b"wait", value) => {
            recipe.ops |= ops::WAIT;
            if let Some(number) = value.filter(|value| !value.is_empty()) {
                script.wait = Some(call.signed_word(index, number)?);
            }
        }
        (b"driver" | b"timeline" | b"lock", None) => {
            let noun = if name == b"lock" { "LOCK" } else { "NAME" };
            refuse!(
                index,
                "no value for the option {option}; expected {option}={noun}"
            );
        }
        (b"seqno64" | b"release" | b"set_deadline", Some(_)) => {
            refuse!(
                index,
                "the option {option} takes no value: {}; expected {option}",
                quote(word)
            );
        }
        _ => {
            refuse!(
                index,
                "no such option: {}; expected one of {}{}",
                quote(word),
                OPTIONS.join(" "),
                call.world().suggestion(name, OPTIONS.into_iter())
            )
        }
    }
    Ok(())
}

fn fence(call: &Call<'_>) -> Outcome {
    let name = call.new_fence_name(1)?;
    let context = call.named(Kind::Context, 2)?;
    let mut recipe = Recipe {
        driver: "oracle",
        timeline: name_value(call.word(2), 2)?,
        seqno64: false,
        lock: core::ptr::null_mut(),
        context: call.world().contexts[context],
        seqno: call.unsigned(3)?,
        ops: 0,
    };
    let mut script = Script::default();
    for index in 4..call.len() {
        option(call, index, &mut recipe, &mut script)?;
    }
    let Some(ptr) = ops::alloc() else {
        refuse!(0, "no memory for a fence: expected the host to have some");
    };
    let place = call.add_fence(name, ptr, FenceKind::Scripted(script));
    // SAFETY: The memory is new. Locks live until the replay has ended, and with it all its fences.
    unsafe { ops::init(ptr, place, &recipe) };
    Answer::ok()
}

fn complete(call: &Call<'_>) -> Outcome {
    let fence = call.fence(1)?;
    let polls = if call.len() > 2 { call.unsigned(2)? } else { 0 };
    match &mut call.world().fences[fence.place].kind {
        FenceKind::Scripted(script) if fence.has_ops() => {
            script.complete = true;
            script.polls_left = polls;
            Answer::ok()
        }
        _ => Err(refused!(
            1,
            "{} has no ops of the scenario; expected a fence made by fence whose ops are attached",
            quote(call.word(1))
        )),
    }
}

fn callback(call: &Call<'_>) -> Outcome {
    let place = call.callback(1)?;
    let callback = &mut call.world().callbacks[place];
    if call.len() > 2 {
        let what = format!("commands in callback {}", callback.name);
        limit(2, &what, callback.actions.len(), MAX_ACTIONS)?;
        callback.actions.push(call.statement.tail(2));
    }
    Answer::ok()
}

fn end(call: &Call<'_>) -> Outcome {
    let world = call.world();
    if let Some(thread) = world.threads.iter().find(|thread| !thread.finished) {
        refuse!(
            0,
            "thread {} is still blocked; expected a signal or an interrupt that ends its wait",
            thread.name
        );
    }
    if let Some(resv) = world.resvs.iter().find(|resv| resv.held) {
        refuse!(
            0,
            "reservation object {} is still locked; expected resv_unlock",
            resv.name
        );
    }
    if world.live == 0 {
        return Answer::text("live 0");
    }
    let fences = world.fences.iter();
    let left = fences.filter(|object| !object.gone && object.kind != FenceKind::SharedStub);
    let names: Vec<&str> = left.map(|object| object.name.as_str()).collect();
    Answer::text(format!("live {} {}", world.live, list(&names)))
}
