# Says hello: with the greeting of its config, from the release and process that it is.
use strict;
use warnings;
use IO::Socket::INET;

$| = 1;
my $server = IO::Socket::INET->new(
    LocalAddr => '0.0.0.0', LocalPort => $ENV{PORT}, Listen => 64, ReuseAddr => 1
) or die "cannot listen on $ENV{PORT}: $!\n";
my $is_stopping = 0;
$SIG{TERM} = $SIG{INT} = sub { $is_stopping = 1 };
my ($greeting, $release, $process) = (
    $ENV{GREETING} // 'Hello', $ENV{NOON_RELEASE_VERSION} // 'no release', $ENV{DYNO} // 'no process'
);

until ($is_stopping) {
    my $client = $server->accept or next;
    my $request = '';
    while (defined(my $line = <$client>)) { $request ||= $line; last if $line =~ /^\r?\n$/ }
    next unless $request;
    my $body = "$greeting from $release, $process\n";
    print $client "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " . length($body)
        . "\r\nConnection: close\r\n\r\n$body";
    close $client;
    print $request =~ s/\r?\n//r, "\n";
}
print "web stopped\n";
