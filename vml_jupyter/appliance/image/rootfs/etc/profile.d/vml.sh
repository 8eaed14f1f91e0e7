# Greet whoever logs in on the screen or the serial port, and nobody in a terminal of JupyterLab.
case $(tty) in
/dev/tty[0-9]* | /dev/ttyS*) /usr/lib/vml/greeting ;;
esac
