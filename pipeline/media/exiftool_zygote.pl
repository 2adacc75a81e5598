# A warmed-up exiftool that forks one fresh copy of itself for each file, started by pipeline.media.zygote in the sandbox.
#
#   perl exiftool_zygote.pl /usr/bin/exiftool NUMBER
#
# NUMBER: of the system call prctl on this machine. exiftool itself runs unchanged in its mode -stay_open; the handle from
# which it takes its arguments is ours. Its first read waits here, in the one process that never sees a byte of a file:
#
#   in:  "new A B F\n"   fork. The copy takes its arguments from process 1's descriptor A, answers into its B, and has its
#                        F as its own number 60
#   out: "ready\n"       said by the copy when it holds them, before any byte of the file is read
#   in:  "sweep\n"       kill every process in sight but process 1 and this one
#   out: "swept\n"
use strict;
use warnings;

package Gate;

use POSIX;

sub TIEHANDLE { return bless {}, shift }
sub OPEN      { return 1 }
sub BINMODE   { return 1 }
sub CLOSE     { return 1 }

sub READ {
    my ($self, undef, $length, $offset) = @_;
    $self->{arguments} //= wait_for_a_file();
    my $read = sysread($self->{arguments}, $_[1], $length, $offset || 0);
    POSIX::_exit(0) unless $read;    # whoever asked is gone
    return $read;
}

# Serves requests for ever; returns in each copy, with the handle of its arguments.
sub wait_for_a_file {
    local $SIG{CHLD} = 'IGNORE';    # dead copies leave at once
    while (defined(my $line = <STDIN>)) {
        if ($line eq "sweep\n") {
            kill KILL => -1;
            syswrite(STDOUT, "swept\n");
        }
        elsif ($line =~ /^new (\d+) (\d+) (\d+)$/) {
            my $pid = fork() // POSIX::_exit(1);
            return become_a_copy($1, $2, $3) unless $pid;
        }
    }
    POSIX::_exit(0);
}

sub become_a_copy {
    my ($in, $out, $file) = @_;
    open(my $arguments, '<', "/proc/1/fd/$in")   or POSIX::_exit(2);
    open(my $answers,   '>', "/proc/1/fd/$out")  or POSIX::_exit(2);
    open(my $media,     '<', "/proc/1/fd/$file") or POSIX::_exit(2);
    POSIX::dup2(fileno($media), 60) // POSIX::_exit(2);
    open(STDIN, '<', '/dev/null') or POSIX::_exit(2);
    syswrite(STDOUT, "ready\n");
    POSIX::dup2(fileno($answers), 1) // POSIX::_exit(2);    # and with that the way back to process 1 is closed
    return $arguments;
}

package main;

our ($script, $prctl) = @ARGV;
require Image::ExifTool;
for my $module (qw(Exif GPS XMP IPTC Photoshop ICC_Profile QuickTime GoPro RIFF ID3 MPEG M2TS H264 Matroska Canon)) {
    eval "require Image::ExifTool::$module";    # what most files need; what is absent here a copy loads for itself
}
# PR_SET_DUMPABLE 0: no other process of the sandbox can trace this one or write into its memory.
syscall($prctl, 4, 0, 0, 0, 0) == 0 or die "prctl: $!";
tie *main::STAYOPEN, 'Gate';
syswrite(STDOUT, "ready\n");
$0 = $script;
@ARGV = ('-config', '', '-stay_open', 'True', '-@', 'gate');
do $script;
die $@ || "$script ended";
