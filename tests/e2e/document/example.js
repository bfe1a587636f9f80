var API_KEY = 'pk_your_key';
var BASE = 'https://voxai.ai0.dev/api/v1';

// Generate a token and join a room
async function joinRoom(identity, room) {
  var res = await fetch(BASE + '/token', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-API-Key': API_KEY },
    body: JSON.stringify({ identity: identity, room: room }),
  });
  return await res.json();
}

// List active rooms
async function listRooms() {
  var res = await fetch(BASE + '/rooms', {
    headers: { 'X-API-Key': API_KEY },
  });
  return await res.json();
}

// Initiate an outbound call
async function dialPhone(phoneNumber) {
  var res = await fetch(BASE + '/sip/dial', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-API-Key': API_KEY },
    body: JSON.stringify({ phone_number: phoneNumber }),
  });
  return await res.json();
}

// Search knowledge base
async function searchKB(kbId, query) {
  var res = await fetch(BASE + '/knowledge/search', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-API-Key': API_KEY },
    body: JSON.stringify({ knowledge_base_id: kbId, query: query, top_k: 5 }),
  });
  return await res.json();
}
