var ws = new WebSocket('wss://voxai.ai0.dev/ws/monitor?api_key=YOUR_KEY');
ws.onopen = function() {
  ws.send(JSON.stringify({ action: 'subscribe', channel: 'rooms' }));
};
ws.onmessage = function(event) {
  var msg = JSON.parse(event.data);
  console.log(msg.type, msg.data);
  // e.g. "transcript.new" { room_name, speaker, content }
};
