//! What commands can be told to do.

use crate::{connections, idle, processes, programs, sends};

pub type Say<'a> = &'a mut dyn FnMut(String);

pub fn act(name: &str, words: &[String], say: Say<'_>) {
    match name {
        "run" => programs::run(words, say),
        "exec strangely" => programs::exec_strangely(words, say),
        "random" => programs::random(words, say),
        "connect" => connections::connect(words, say),
        "connect and wait" => connections::connect_and_wait(words, say),
        "refused, then again" => connections::refused_then_again(words, say),
        "connect to a path" => connections::to_paths(words, say),
        "rewrite while connecting" => connections::rewrite(words, say),
        "swap the socket" => connections::swap(words, say),
        "hang" => connections::hang(words, say),
        "send" => sends::send(words, say),
        "send under a timer" => sends::under_a_timer(words, say),
        "send along a pair" => sends::along_a_pair(words, say),
        "ask netlink" => sends::netlink(words, say),
        "rewrite while sending" => sends::rewrite(words, say),
        "idle" => idle::try_everything(words, say),
        "signal" => processes::signal(words, say),
        "start many" => processes::start_many(words, say),
        _ => panic!("{name}"),
    }
}
