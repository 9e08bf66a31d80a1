// Goes on by the page's link once its frames are there, or after a while. The link is there for all others too.
const goOn = () => location.replace(document.getElementById("onward").href);
addEventListener("load", goOn);
setTimeout(goOn, 5000);
