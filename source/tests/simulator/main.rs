//! The source against a faithful fake of the service, over real sockets.

mod collectors;
mod complete;
mod credential;
mod ending;
mod faults;
mod gateway;
mod habits;
mod network;
mod numbers;
mod patterns;
mod rate;
mod refused;
mod restart;
mod starts;
mod world;
