// Package fleet runs one program on many hosts over the user's own ssh: which hosts, how to get the program there, what it is told and
// what became of it. It moves no content: that is the swarm's, which the program joins.
//
// A Host needs sshd and a POSIX shell, nothing else. Each attempt at one is one ssh session, and this conversation in it:
//
//	ssh HOST 'exec sh -s'   the only words that the login shell sees: no quoting, so that fish, tcsh and the others agree
//	-> bootstrap.sh         on stdin. It looks for a p2pcp of our protocol, in PATH and where one was put before
//	<- hello ...            the first line that counts: what banners and profiles print before the marker is skipped
//	-> sums, the program    only where there is none
//	<- runs                 the shell has become 'p2pcp get - --pushed'
//	-> Orders               one line: the Ticket, the flags
//	<- JSON                 what get says
//
// The shell reads its script ahead as it likes, but not what isn't sent yet: we send nothing before the other side has asked. From
// then on the end of stdin means that we are gone, and everything there ends by itself, without a trace of a half sent program. We
// end in that way too.
//
// Each host has one goroutine, that of its attempts, and in an attempt one that copies ssh's stderr. At most Fanout attempts are on
// their way to "runs"; no host waits for another's login otherwise, and where the program had to be sent it waits at most two seconds
// for programs that others are being sent (see sends). Run returns when every host has its verdict, Close when
// nothing of ours runs any more. The package prints nothing and knows no exit code but those in Status.
package fleet
