//! The source against a faithful fake of the service, over real sockets.

mod collectors;
mod complete;
mod faults;
mod restart;
mod world;
