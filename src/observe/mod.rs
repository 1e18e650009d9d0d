//! Looking in from outside: dumps and counts. The only room that prints, but for the line of a throw.

pub mod dump;
pub mod frames;
pub mod stats;
pub mod symbols;
