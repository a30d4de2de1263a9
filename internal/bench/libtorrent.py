"""One libtorrent client: client.py seed|get TORRENT DIRECTORY ADDRESS. It prints "ready" or "complete" and runs until it is killed."""
import sys, time
import libtorrent as lt

role, torrent, directory, address = sys.argv[1:]
session = lt.session({
    "listen_interfaces": address + ":7650",
    "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
    "enable_incoming_utp": False, "enable_outgoing_utp": False,
    "in_enc_policy": int(lt.enc_policy.pe_disabled), "out_enc_policy": int(lt.enc_policy.pe_disabled),
    "unchoke_slots_limit": -1, "connections_limit": 500, "connection_speed": 500, "torrent_connect_boost": 255,
    "max_out_request_queue": 16, "request_queue_time": 1, "whole_pieces_threshold": 2,
    "min_announce_interval": 1, "alert_mask": 0, "tick_interval": 100,
})
params = lt.add_torrent_params()
params.ti = lt.torrent_info(torrent)
params.save_path = directory
params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
if role == "seed":
    params.flags |= lt.torrent_flags.seed_mode
handle = session.add_torrent(params)
if role == "seed":
    print("ready", flush=True)
    while True:
        time.sleep(3600)
while not handle.status().is_seeding:
    time.sleep(0.02)
print("complete", flush=True)
while True:
    time.sleep(3600)
