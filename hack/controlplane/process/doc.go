// Package process starts, finds again and ends processes that outlive the command that started them.
//
// A Process is remembered by its id together with its whole command line. The id alone would not do: after a reboot
// or a long time it may belong to somebody else, who must not be signalled. The command lines of a cluster name files
// below its own folder, so that no two clusters share one.
package process
