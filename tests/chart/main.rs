//! The chart, by the real Helm 4 on the real API server: what it renders is accepted, its rights are exact, its admission
//! policies refuse, and no release's end takes a store with it.

mod lifecycle;
mod rails;
mod render;
mod rights;
mod world;
