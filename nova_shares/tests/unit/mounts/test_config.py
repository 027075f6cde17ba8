# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""What root's own configuration may say."""

import os

import fixtures
import testtools

from nova_shares.mounts import config


class MountConfigTest(testtools.TestCase):
    def setUp(self):
        super().setUp()
        directory = self.useFixture(fixtures.TempDir()).path
        self.path = os.path.join(directory, "mount-helper.conf")

    def load(self, text, **how):
        with open(self.path, "w") as f:
            f.write(text)
        return config.load(self.path, **how)

    def refused(self, text):
        return str(self.assertRaises(config.BadConfig, self.load, text))

    def test_without_a_file_the_defaults_hold(self):
        settings = config.load(self.path, trusted=True)
        self.assertEqual(config.Config(), settings)
        self.assertEqual(settings, self.load(""))

    def test_all_of_it(self):
        settings = self.load(
            "[mounts]\nbase = /srv/mounts\ntimeout = 5\n"
            "[nfs]\noptions = vers=4.2, nconnect=4,soft\n"
            "[cephfs]\nclient = fuse\noptions = fs=other\n"
            "fuse_options = client_fs=other\nconf = /etc/ceph/ceph.conf\n"
        )
        self.assertEqual(
            config.Config(
                base="/srv/mounts",
                timeout=5,
                nfs_options=("vers=4.2", "nconnect=4", "soft"),
                cephfs_client="fuse",
                cephfs_options=("fs=other",),
                ceph_fuse_options=("client_fs=other",),
                ceph_conf="/etc/ceph/ceph.conf",
            ),
            settings,
        )

    def test_no_options_at_all(self):
        self.assertEqual((), self.load("[nfs]\noptions =\n").nfs_options)

    def test_what_can_not_be(self):
        for text in (
            "no section",
            "[mounts]\nbase = relative\n",
            "[mounts]\nbase = /a/../b\n",
            "[mounts]\nbase = /a b\n",
            "[mounts]\nbase = /\n",
            "[mounts]\ntimeout = soon\n",
            "[mounts]\ntimeout = 0\n",
            "[cephfs]\nclient = other\n",
            "[nfs]\noptions = suid\n",
            "[nfs]\noptions = dev\n",
            "[nfs]\noptions = vers=4 -o suid\n",
            "[nfs]\noptions = context=x\n",
            "[cephfs]\noptions = secret=x\n",
            "[cephfs]\noptions = name=admin\n",
            "[cephfs]\nfuse_options = keyring=/etc/x\n",
        ):
            self.assertIn(
                "]" if "[" in text else "Cannot read", self.refused(text)
            )

    def test_a_file_that_others_write_is_refused(self):
        self.load("")
        os.chmod(self.path, 0o666)
        error = self.assertRaises(
            config.BadConfig, config.load, self.path, trusted=True
        )
        self.assertIn("other than root", str(error))

    def test_so_is_one_in_whose_place_others_can_put_another(self):
        self.load("")
        directory = self.useFixture(fixtures.TempDir()).path
        path = os.path.join(directory, "link")
        os.symlink(self.path, path)
        below = os.path.join(os.path.dirname(self.path), "below")
        os.mkdir(below)
        os.chmod(below, 0o777)
        inside = os.path.join(below, "conf")
        os.link(self.path, inside)
        for wrong in (path, inside):
            error = self.assertRaises(
                config.BadConfig, config.load, wrong, trusted=True
            )
            self.assertIn("other than root", str(error))
