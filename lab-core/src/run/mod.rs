//! How a lab lives: launcher, zygote, node processes, keeper, control socket.
